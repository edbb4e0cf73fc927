from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from automl_loss import ExpressionError, SymbolicLoss, parse, taylor_expression, taylor_powers
from automl_loss.engine.kernels import CompiledKernel, kernel_for
from automl_loss.losses import loss_from_json

PARAMETERS = st.lists(st.floats(-3.0, 3.0) | st.just(0.0), min_size=8, max_size=8)


def published(t: list[float], y: Tensor, f: Tensor) -> Tensor:
    """The third-degree polynomial as it is printed, before its sign is turned."""
    t0, t1, t2, t3, t4, t5, t6, t7 = t
    d, e = f - t1, y - t0
    return (
        t2 * d + t3 * d**2 / 2 + t4 * d**3 / 6 + t5 * e * d + t6 * e * d**2 / 2 + t7 * e**2 * d / 2
    )  # fmt: skip


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    f = torch.rand(1, 6, 4, generator=generator, dtype=torch.float64)
    return torch.eye(4, dtype=torch.float64)[[0, 1, 2, 3, 0, 1]][None], f


@settings(deadline=None)  # the first call loads the kernels
@given(PARAMETERS)
def test_a_cubic_is_the_published_polynomial_and_its_gradient_on_the_compiled_kernel(t: list[float]) -> None:
    loss = SymbolicLoss(taylor_expression(t), weighted=False)
    kernel = kernel_for([loss])
    assert isinstance(kernel, CompiledKernel)
    y, f = batch()
    weights = torch.ones(1, len(loss.weights), dtype=torch.float64)
    leaf = f.clone().requires_grad_()
    expected = -published(t, y, leaf)
    (slopes,) = torch.autograd.grad(expected.sum(), leaf)
    torch.testing.assert_close(kernel.value(f, y, weights), expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(kernel.gradient(f, y, weights), slopes, rtol=1e-12, atol=1e-12)


@given(PARAMETERS)
def test_it_reads_back_with_every_bit(t: list[float]) -> None:
    expression = taylor_expression(t)
    assert parse(str(expression)) == expression
    loss = SymbolicLoss(expression, weighted=False)
    assert loss_from_json(loss.to_json()) == loss


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_every_degree_is_the_sum_over_its_powers(degree: int) -> None:
    powers = taylor_powers(degree)
    assert 2 + len(powers) == {1: 3, 2: 5, 3: 8, 4: 12}[degree]
    t = torch.randn(2 + len(powers), generator=torch.Generator().manual_seed(degree)).tolist()
    y, f = batch()
    expected = -sum(
        value / (math.factorial(i) * math.factorial(j)) * (y - t[0]) ** i * (f - t[1]) ** j
        for (i, j), value in zip(powers, t[2:], strict=True)
    )
    found = taylor_expression(t, degree).evaluate({"y": y, "f": f})
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_term_of_zero_is_not_written() -> None:
    assert str(taylor_expression([0, 0, 0, 2, 0, 0, 0, 0])) == "mul(f, mul(f, -1))"
    assert str(taylor_expression([0.5, 0.5, 0, 0, 0, 0, 0, 0])) == "0"


@pytest.mark.parametrize(
    ("parameters", "degree", "said"),
    [
        ([0.0] * 8, 0, "degree .* must be 1 or more but got 0"),
        ([0.0] * 7, 3, "degree 3 has 8 parameters but got 7"),
        ([0.0] * 7 + [math.inf], 3, "must be a finite number"),
    ],
)
def test_wrong_parameters_are_refused(parameters: list[float], degree: int, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        taylor_expression(parameters, degree)
