"""The reference kernel against formulas worked out by hand."""

from __future__ import annotations

import pytest
import torch

from automl_loss.engine.kernels import ReferenceKernel
from automl_loss.expression import parse, standard_primitives
from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.losses.symbolic import SymbolicLoss


def kernel(*texts: str) -> ReferenceKernel:
    return ReferenceKernel([SymbolicLoss(parse(text, standard_primitives())) for text in texts])


def uniform(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_weighted_squared_error_has_its_textbook_derivatives() -> None:
    f, y, u = uniform(2, 4, 3), uniform(1, 4, 3) + 1.0, uniform(1, 4, 3) - 0.5
    # L = a (b (c y - d f))^2, in pre-order square, sub, y, f.
    weights = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.9, 1.1, 0.8, 1.3]], dtype=torch.float64)
    both = kernel("square(sub(y, f))", "square(sub(y, f))")
    a, b, c, d = (column.view(2, 1, 1) for column in weights.T)
    error = c * y - d * f
    torch.testing.assert_close(both.value(f, y, weights), a * b**2 * error**2)
    torch.testing.assert_close(both.gradient(f, y, weights), -2 * a * b**2 * d * error)
    expected = [
        -2 * b**2 * d * error,
        -4 * a * b * d * error,
        -2 * a * b**2 * d * y,
        -2 * a * b**2 * (error - d * f),
    ]
    expected = [(u * derivative).sum((1, 2)) for derivative in expected]
    torch.testing.assert_close(both.weight_gradient(f, y, weights, u), torch.stack(expected, 1))


def test_what_autograd_leaves_out_is_zero() -> None:
    f, y = uniform(3, 2, 2), uniform(1, 2, 2)
    weights = torch.ones(3, 4, dtype=torch.float64)
    mixed = kernel("log(y)", "f", "add(f, y)")
    assert mixed.gradient(f, y, weights)[0].eq(0).all()
    gradient = mixed.weight_gradient(f, y, weights, torch.ones_like(y))
    expected = torch.tensor([[0.0, 0, 0, 0], [4, 0, 0, 0], [4, 4, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(gradient, expected)


def test_results_carry_no_graph_and_inputs_keep_theirs() -> None:
    f = uniform(1, 2, 2).requires_grad_()
    weights = torch.ones(1, 3, dtype=torch.float64, requires_grad=True)
    product = kernel("mul(y, f)")
    with torch.no_grad():
        results = [product.value(f, f, weights), product.gradient(f, f, weights)]
        results.append(product.weight_gradient(f, f, weights, f))
    assert not any(result.requires_grad for result in results)
    assert f.grad is None
    assert weights.grad is None


def test_a_loss_of_raw_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match="has space 'raw'"):
        ReferenceKernel([HandcraftedLoss("mae", "regression")])
