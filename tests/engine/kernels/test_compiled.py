"""The compiled kernel against torch's autograd, and its promises about neighbours, threads and shapes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from automl_loss.engine.kernels import CompiledKernel, ReferenceKernel, kernel_for
from automl_loss.expression import Expression, compile_program, constant, parse, standard_primitives
from automl_loss.losses.symbolic import SymbolicLoss

FUNCTIONS = tuple(primitive for primitive in standard_primitives() if primitive.arity)
TERMINALS = tuple(map(Expression, (*standard_primitives("y", "f", "f", "1", "-1"), constant(0.5))))
EDGES = (0.0, 1.0, -1.0, 0.5, -0.25, 1e-7, 1e-30, -1e-30, 21.0, 90.0)
HUGE = (1e30, -1e30)


def _grow(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.one_of(
        *(
            st.tuples(*[children] * primitive.arity).map(
                lambda arguments, p=primitive: Expression(p, arguments)
            )
            for primitive in FUNCTIONS
        )
    )


expressions = st.recursive(st.sampled_from(TERMINALS), _grow, max_leaves=8)


@st.composite
def populations(draw: st.DrawFn) -> list[SymbolicLoss]:
    """One to four losses with weights in general position, so that nothing cancels to rounding errors."""
    losses = []
    for expression in draw(st.lists(expressions, min_size=1, max_size=4)):
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        weights = 1.0 + 0.3 * torch.randn(expression.size, generator=generator, dtype=torch.float64)
        activation = draw(st.sampled_from(["identity", "softplus"]))
        losses.append(SymbolicLoss(expression, tuple(weights.tolist()), activation=activation))
    return losses


def losses_of(*texts: str) -> list[SymbolicLoss]:
    return [SymbolicLoss(parse(text, standard_primitives())) for text in texts]


def stacked_weights(losses: list[SymbolicLoss], dtype: torch.dtype = torch.float64) -> Tensor:
    rows = torch.ones(len(losses), max(len(loss.weights) for loss in losses) + 2, dtype=dtype)
    for row, loss in zip(rows, losses, strict=True):
        row[: len(loss.weights)] = torch.tensor(loss.weights, dtype=torch.float64).to(dtype)
    return rows


def inputs(losses: int, batch: int = 5, outputs: int = 3, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Predictions in (0, 1), targets of which some are one, and a direction."""
    generator = torch.Generator().manual_seed(1)
    f = torch.rand(losses, batch, outputs, generator=generator, dtype=torch.float64)
    y = (torch.rand(1, batch, outputs, generator=generator) > 0.6).to(torch.float64)
    u = torch.randn(losses, batch, outputs, generator=generator, dtype=torch.float64)
    return [f.to(dtype), y.to(dtype), u.to(dtype)]


def _pairs(numbers: tuple[float, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Every pair of the numbers, as `(1, pairs, 1)` predictions and targets."""
    points = torch.tensor(numbers, dtype=dtype)
    return points.repeat(len(points)).view(1, -1, 1), points.repeat_interleave(len(points)).view(1, -1, 1)


def assert_close(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Where expected is finite actual is, within the tolerance times the loss's largest finite value."""
    finite = expected.isfinite()
    assert bool(actual.isfinite()[finite].all())
    size = torch.where(finite, expected.abs(), 0.0).flatten(1)
    allowed = tolerance * size.amax(1).clamp(min=1e-30)
    error = torch.where(finite, (actual - expected).abs(), 0.0).flatten(1)
    assert bool((error <= allowed[:, None]).all()), (
        f"off by {(error / allowed[:, None]).max():.3g} tolerances"
    )


@settings(max_examples=100, deadline=None, derandomize=True)
@given(populations())
def test_value_and_both_gradients_equal_autograd_in_float64(losses: list[SymbolicLoss]) -> None:
    f, y, u = inputs(len(losses))
    weights = stacked_weights(losses)
    compiled, reference = kernel_for(losses), ReferenceKernel(losses)
    assert isinstance(compiled, CompiledKernel)
    assert_close(compiled.value(f, y, weights), reference.value(f, y, weights), 1e-9)
    assert_close(compiled.gradient(f, y, weights), reference.gradient(f, y, weights), 1e-9)
    assert_close(
        compiled.weight_gradient(f, y, weights, u), reference.weight_gradient(f, y, weights, u), 1e-9
    )


@settings(max_examples=75, deadline=None, derandomize=True)
@given(populations())
def test_float32_results_are_float32_and_near_those_of_float64(losses: list[SymbolicLoss]) -> None:
    f, y, u = inputs(len(losses), dtype=torch.float32)
    weights = stacked_weights(losses, torch.float32)
    kernel, exact = kernel_for(losses), ReferenceKernel(losses)
    wide = [tensor.double() for tensor in (f, y, weights)]
    for actual, expected in [
        (kernel.value(f, y, weights), exact.value(*wide)),
        (kernel.gradient(f, y, weights), exact.gradient(*wide)),
        (kernel.weight_gradient(f, y, weights, u), exact.weight_gradient(*wide, u.double())),
    ]:
        assert actual.dtype == torch.float32
        assert_close(actual.double(), torch.where(expected.abs() < 1e30, expected, torch.inf), 2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(max_examples=75, deadline=None, derandomize=True)
@given(losses=populations())
def test_extreme_inputs_give_finite_results_wherever_autograd_does(
    dtype: torch.dtype, losses: list[SymbolicLoss]
) -> None:
    f, y = _pairs((*EDGES, *HUGE), dtype)
    weights = stacked_weights(losses, dtype)
    compiled, reference = kernel_for(losses), ReferenceKernel(losses)
    actual, expected = compiled.value(f, y, weights), reference.value(f, y, weights)
    assert torch.equal(actual.isnan(), expected.isnan())
    assert torch.equal(actual.isposinf(), expected.isposinf())
    assert torch.equal(actual.isneginf(), expected.isneginf())
    actual, expected = compiled.gradient(f, y, weights), reference.gradient(f, y, weights)
    assert bool(actual.isfinite()[expected.isfinite()].all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(max_examples=50, deadline=None, derandomize=True)
@given(losses=populations())
def test_weight_gradients_at_edges_are_finite_wherever_autograds_are(
    dtype: torch.dtype, losses: list[SymbolicLoss]
) -> None:
    f, y = _pairs(EDGES, dtype)
    weights = stacked_weights(losses, dtype)
    compiled, reference = kernel_for(losses), ReferenceKernel(losses)
    u = torch.ones_like(f)
    actual, expected = (kernel.weight_gradient(f, y, weights, u) for kernel in (compiled, reference))
    assert bool(actual.isfinite()[expected.isfinite()].all())


@pytest.mark.parametrize("name", [primitive.name for primitive in FUNCTIONS])
@pytest.mark.parametrize("activation", ["identity", "softplus"])
def test_each_primitive_has_torchs_derivatives_at_ties_and_zeros(name: str, activation: str) -> None:
    (primitive,) = standard_primitives(name)
    terminals = standard_primitives("f", "y")[: primitive.arity]
    expression = Expression(primitive, tuple(map(Expression, terminals)))
    losses = [SymbolicLoss(expression, activation=activation)]
    f, y = _pairs((0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-7, 25.0, 85.0), torch.float64)
    weights = torch.ones(1, expression.size, dtype=torch.float64)
    compiled, reference = kernel_for(losses), ReferenceKernel(losses)
    for method in ("value", "gradient"):
        actual, expected = (getattr(kernel, method)(f, y, weights) for kernel in (compiled, reference))
        torch.testing.assert_close(actual, expected, rtol=1e-13, atol=1e-300)
    for place in range(f.shape[1]):  # one element at a time, for its own second derivatives
        u = torch.zeros_like(f)
        u[0, place] = 1.0
        actual, expected = (kernel.weight_gradient(f, y, weights, u) for kernel in (compiled, reference))
        assert_close(actual, expected, 1e-9)


def test_weight_gradient_is_the_central_difference_of_the_gradient() -> None:
    losses = losses_of("mul(tanh(mul(y, f)), log(add(f, square(y))))", "div(exp(f), sub(y, sigmoid(f)))")
    f, y, u = inputs(2)
    weights = stacked_weights(losses) + 0.1
    kernel = kernel_for(losses)
    actual = kernel.weight_gradient(f, y, weights, u)
    step = 1e-6
    for k in range(weights.shape[1]):
        shift = torch.zeros_like(weights)
        shift[:, k] = step
        change = kernel.gradient(f, y, weights + shift) - kernel.gradient(f, y, weights - shift)
        expected = (u * change).sum((1, 2)) / (2 * step)
        torch.testing.assert_close(actual[:, k], expected, rtol=1e-7, atol=1e-8)
    assert bool((actual[0, losses[0].complexity :] == 0).all()), "the padding has no gradient"


@pytest.mark.parametrize("spoiler", ["square(exp(f))", "sub(square(exp(f)), square(exp(f)))"])
def test_a_loss_that_overflows_leaves_its_neighbours_bits(spoiler: str) -> None:
    good = losses_of("mul(y, log(f))", "square(sub(y, f))")
    first, second = good
    spoiled = [first, *losses_of(spoiler), second]
    f, y, u = inputs(3, batch=300, dtype=torch.float32)
    f[1] = 50.0
    weights = stacked_weights(spoiled, torch.float32)
    keep = torch.tensor([0, 2])
    alone, together = kernel_for(good), kernel_for(spoiled)
    assert not bool(together.value(f, y, weights)[1].isfinite().all())
    assert torch.equal(together.value(f, y, weights)[keep], alone.value(f[keep], y, weights[keep]))
    assert torch.equal(together.gradient(f, y, weights)[keep], alone.gradient(f[keep], y, weights[keep]))
    expected = alone.weight_gradient(f[keep], y, weights[keep], u[keep])
    assert torch.equal(together.weight_gradient(f, y, weights, u)[keep], expected)


@pytest.mark.parametrize("threads", [2, 3, 9])
def test_threads_change_no_bit(threads: int) -> None:
    losses = losses_of("tanh(mul(y, f))", "log(f)", "max(y, sqrt(f))", "y", "sigmoid(sub(f, y))")
    f, y, u = inputs(5, batch=700)
    weights = stacked_weights(losses)
    one, many = kernel_for(losses), kernel_for(losses, threads=threads)
    assert torch.equal(one.value(f, y, weights), many.value(f, y, weights))
    assert torch.equal(one.gradient(f, y, weights), many.gradient(f, y, weights))
    assert torch.equal(one.weight_gradient(f, y, weights, u), many.weight_gradient(f, y, weights, u))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_elements_bits_do_not_depend_on_its_place_in_the_batch(dtype: torch.dtype) -> None:
    losses = losses_of("log(sub(tanh(f), exp(mul(y, sigmoid(f)))))")
    f, y, _ = inputs(1, batch=400, dtype=dtype)
    weights = stacked_weights(losses, dtype)
    kernel = kernel_for(losses)
    whole = kernel.gradient(f, y, weights)
    for start, stop in [(0, 1), (3, 4), (7, 186), (399, 400)]:
        part = kernel.gradient(f[:, start:stop], y[:, start:stop], weights)
        assert torch.equal(part, whole[:, start:stop])


@pytest.mark.parametrize(("losses", "batch", "outputs"), [(1, 1, 1), (1, 1, 1000), (3, 513, 1), (2, 64, 16)])
def test_every_shape_agrees_with_the_formula(losses: int, batch: int, outputs: int) -> None:
    members = losses_of("square(sub(y, f))", "mul(y, log(f))", "mul(f, f)")[:losses]
    f, y, _ = inputs(losses, batch, outputs)
    gradient = kernel_for(members).gradient(f, y, stacked_weights(members))
    formulas = [2 * (f - y), y / (f + 1e-7), 2 * f]
    for p in range(losses):
        torch.testing.assert_close(gradient[p], formulas[p][p], rtol=1e-12, atol=1e-15)


def test_inputs_that_losses_share_need_not_be_repeated() -> None:
    losses = losses_of("mul(y, log(f))", "tanh(sub(f, y))")
    weights = stacked_weights(losses)
    f, y, u = (tensor[:1] for tensor in inputs(1))
    kernel = kernel_for(losses)
    copies = [tensor.repeat(2, 1, 1) for tensor in (f, y, u)]
    assert torch.equal(kernel.gradient(f, y, weights), kernel.gradient(*copies[:2], weights))
    shared = kernel.weight_gradient(f, y, weights, u)
    assert torch.equal(shared, kernel.weight_gradient(*copies[:2], weights, copies[2]))


def test_inputs_on_a_graph_or_not_contiguous_are_read_and_left_alone() -> None:
    losses = losses_of("mul(y, log(f))")
    f, y, _ = inputs(1, 4, 6)
    weights = stacked_weights(losses)
    strided = f.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    before = strided.detach().clone()
    result = kernel_for(losses).gradient(strided, y, weights)
    assert torch.equal(result, kernel_for(losses).gradient(f, y, weights))
    assert not result.requires_grad
    assert torch.equal(strided.detach(), before)


def test_a_loss_without_f_has_zero_gradients_beside_others() -> None:
    losses = losses_of("mul(y, f)", "log(add(y, 1))", "sign(mul(f, y))")
    f, y, u = inputs(3)
    kernel, weights = kernel_for(losses), stacked_weights(losses)
    assert bool((kernel.gradient(f, y, weights)[1:] == 0).all())
    assert bool((kernel.weight_gradient(f, y, weights, u)[1:] == 0).all())
    torch.testing.assert_close(kernel.gradient(f, y, weights)[0], y[0])


def test_wrong_inputs_are_refused_with_the_shape_seen() -> None:
    losses = losses_of("mul(y, f)", "f")
    kernel = kernel_for(losses)
    f, y, _ = inputs(2)
    weights = stacked_weights(losses)
    with pytest.raises(ValueError, match=r"`weights` must be \(2, 3 or more\), but got \(2, 2\)"):
        kernel.value(f, y, weights[:, :2])
    with pytest.raises(ValueError, match=r"\(1 or 2, batch, outputs\).*got \(1, 4, 3\)"):
        kernel.value(f, y[:, :4], weights)
    with pytest.raises(ValueError, match="float32 or float64 tensors on cpu but got torch"):
        kernel.value(f.half(), y.half(), weights)
    with pytest.raises(ValueError, match="on meta"):
        kernel.value(f.to("meta"), y.to("meta"), weights)
    program = compile_program(losses[0].expression)
    assert program is not None
    with pytest.raises(ValueError, match="at least one program"):
        CompiledKernel([])
    with pytest.raises(ValueError, match="`threads` must be 1 or more but got 0"):
        CompiledKernel([program], threads=0)


def test_importing_the_kernels_does_not_import_numba() -> None:
    code = "import sys, automl_loss.engine.kernels; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
