"""Which kernel serves which loss."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from automl_loss.engine.kernels import CompiledKernel, MixedKernel, ReferenceKernel, kernel_for
from automl_loss.expression import Expression, Primitive, parse, standard_primitives
from automl_loss.losses.symbolic import SymbolicLoss

SINE = Primitive("sine", 1, torch.sin)  # no opcode


@dataclass(frozen=True)
class Case:
    losses: list[SymbolicLoss]
    f: torch.Tensor
    y: torch.Tensor
    u: torch.Tensor
    weights: torch.Tensor


def losses_of(*texts: str) -> list[SymbolicLoss]:
    words = (*standard_primitives(), SINE)
    return [SymbolicLoss(parse(text, words)) for text in texts]


@pytest.fixture(params=[1, 3])
def case(request: pytest.FixtureRequest) -> Case:
    """Losses of both kinds, taking turns; predictions of their own or shared."""
    generator = torch.Generator().manual_seed(0)
    f, y, u = torch.rand(3, request.param, 6, 2, generator=generator, dtype=torch.float64)
    weights = 1 + 0.1 * torch.randn(3, 7, generator=generator, dtype=torch.float64)
    return Case(losses_of("sine(mul(y, f))", "mul(y, log(f))", "sub(y, sine(f))"), f, y, u, weights)


def test_a_mixed_population_gives_each_loss_its_own_result(case: Case) -> None:
    mixed, reference = kernel_for(case.losses), kernel_for(case.losses, compiled=False)
    assert isinstance(mixed, MixedKernel)
    assert isinstance(reference, ReferenceKernel)
    inputs = (case.f, case.y, case.weights)
    torch.testing.assert_close(mixed.value(*inputs), reference.value(*inputs))
    torch.testing.assert_close(mixed.gradient(*inputs), reference.gradient(*inputs))
    torch.testing.assert_close(
        mixed.weight_gradient(*inputs, case.u), reference.weight_gradient(*inputs, case.u)
    )
    expected = (
        case.weights[2, 0]
        * -case.weights[2, 2]
        * case.weights[2, 3]
        * torch.cos(case.weights[2, 3] * case.f[-1])
    )
    torch.testing.assert_close(mixed.gradient(*inputs)[2], expected)


def test_losses_of_one_kind_need_no_mixing() -> None:
    assert isinstance(kernel_for(losses_of("mul(y, f)", "f")), CompiledKernel)
    assert isinstance(kernel_for(losses_of("sine(f)")), ReferenceKernel)


def test_an_expression_with_a_foreign_primitive_has_no_program() -> None:
    assert SymbolicLoss(Expression(SINE, (Expression(standard_primitives("f")[0]),))).program is None


def test_no_losses_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one loss"):
        kernel_for([])
