from __future__ import annotations

import pytest
import torch
from support.engines import loss_of

from automl_loss import HandcraftedLoss, Loss, Problem
from automl_loss.engine.population import Population
from automl_loss.losses import build_module

KINDS = {
    "multiclass": Problem.classification((6,), 4),
    "binary": Problem.classification((6,), 2),
    "regression": Problem.regression((6,), 2),
}
CPU = torch.device("cpu")


def losses_for(problem: Problem) -> list[Loss]:
    generator = torch.Generator().manual_seed(1)
    texts = ["square(sub(y, f))", "mul(sub(y, tanh(f)), div(f, add(y, 1)))", "log(add(square(sub(f, y)), 1))"]
    symbolic = []
    for scale, text in zip((0.5, 2.0, 3.0), texts, strict=True):
        loss = loss_of(text, scale=scale)
        weights = (
            1 + 0.3 * torch.randn(len(loss.weights), generator=generator, dtype=torch.float64)
        ).tolist()
        symbolic.append(loss.with_weights(tuple(weights)))
    other = "mae" if problem.kind == "regression" else "gce"
    handcrafted = HandcraftedLoss(other, problem.kind).with_scale(0.7)
    return [
        symbolic[0],
        handcrafted,
        symbolic[1],
        HandcraftedLoss(problem.task_loss, problem.kind),
        symbolic[2],
    ]


def batch(problem: Problem, networks: int, leading: bool) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    raw = torch.randn(networks, 9, problem.output_dim, generator=generator, dtype=torch.float64)
    shape = (networks, 9) if leading else (9,)
    if problem.is_classification:
        return raw, torch.randint(0, problem.classes, shape, generator=generator)
    return raw, torch.randn(*shape, problem.output_dim, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("leading", [True, False], ids=["own-targets", "shared-targets"])
def test_gradients_are_those_of_each_losss_own_module(kind: str, compiled: bool, leading: bool) -> None:
    problem = KINDS[kind]
    losses = losses_for(problem)
    raw, target = batch(problem, len(losses), leading)
    population = Population(losses, problem, CPU, torch.float64, compiled=compiled)
    ours = population.gradient(raw, target)
    values = population.value(raw, target)
    for i, loss in enumerate(losses):
        leaf = raw[i].clone().requires_grad_()
        value = build_module(loss, problem)(leaf, target[i] if leading else target)
        (expected,) = torch.autograd.grad(value, leaf)
        torch.testing.assert_close(ours[i], expected, rtol=1e-9, atol=1e-13)
        torch.testing.assert_close(values[i], value.detach(), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_shared_raw_outputs_give_what_copies_of_them_give(kind: str) -> None:
    problem = KINDS[kind]
    losses = losses_for(problem)
    raw, target = batch(problem, 1, leading=False)
    population = Population(losses, problem, CPU, torch.float64)
    copies = raw.expand(len(losses), -1, -1)
    torch.testing.assert_close(population.gradient(raw, target), population.gradient(copies, target))
    direction = torch.randn_like(copies)
    one = population.weight_gradient(raw, target, direction)
    torch.testing.assert_close(one, population.weight_gradient(copies, target, direction))


@pytest.mark.parametrize("kind", KINDS)
def test_weight_gradients_are_those_of_double_backward(kind: str) -> None:
    problem = KINDS[kind]
    losses = losses_for(problem)
    raw, target = batch(problem, len(losses), leading=False)
    direction = torch.randn(raw.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    ours = Population(losses, problem, CPU, torch.float64).weight_gradient(raw, target, direction)
    reference = Population(losses, problem, CPU, torch.float64, compiled=False)
    torch.testing.assert_close(ours, reference.weight_gradient(raw, target, direction), rtol=1e-8, atol=1e-12)
    for i, loss in enumerate(losses):
        for k in range(len(loss.weights)):
            nudge = 1e-6
            values = []
            for sign in (1, -1):
                weights = list(loss.weights)
                weights[k] += sign * nudge
                trial = Population([loss.with_weights(tuple(weights))], problem, CPU, torch.float64)
                values.append(float((direction[i] * trial.gradient(raw[i : i + 1], target)[0]).sum()))
            assert float(ours[i, k]) == pytest.approx(
                (values[0] - values[1]) / (2 * nudge), rel=1e-4, abs=1e-7
            )


def test_a_loss_that_is_not_finite_leaves_its_neighbours_bits() -> None:
    problem = KINDS["multiclass"]
    raw, target = batch(problem, 3, leading=False)
    fine = [loss_of("square(sub(y, f))"), loss_of("mul(y, log(f))"), loss_of("abs(sub(y, f))")]
    spoilt = [fine[0], fine[1].with_scale(float("inf")), fine[2]]
    clean = Population(fine, problem, CPU, torch.float64).gradient(raw, target)
    dirty = Population(spoilt, problem, CPU, torch.float64).gradient(raw, target)
    assert not dirty[1].isfinite().all()
    assert torch.equal(clean[0], dirty[0])
    assert torch.equal(clean[2], dirty[2])


def test_tuned_losses_carry_the_present_weights_and_scales() -> None:
    problem = KINDS["multiclass"]
    losses = losses_for(problem)
    population = Population(losses, problem, CPU, torch.float64)
    assert population.tuned() == losses
    population.weights += 0.5
    population.scales = population.scales * 2
    tuned = population.tuned()
    assert tuned[0].weights == pytest.approx([w + 0.5 for w in losses[0].weights])
    assert tuned[1].weights == ()
    assert [loss.scale for loss in tuned] == pytest.approx([2 * loss.scale for loss in losses])
