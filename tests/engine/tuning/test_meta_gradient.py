from __future__ import annotations

import pytest
import torch
from support.engines import loss_of, make_engine, norm_and_dropout, small_mlp
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from automl_loss.engine.tuning.meta_gradient import Path
from automl_loss.losses.inputs import prepare

LOSSES = [
    "mul(mul(-1, y), log(f))",
    "square(sub(y, f))",
    "div(sub(y, f), add(f, y))",
    "mul(tanh(sub(f, y)), sqrt(add(f, 1)))",
    "max(mul(y, f), sub(1, log(f)))",
]
EXACT = {"gradient": "exact", "states": "initial"}


def smooth_norm(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, outputs))


def by_double_backward(engine: object, loss: object, index: int) -> torch.Tensor:
    """dT/dphi by autograd through one SGD step of a plain torch module."""
    step = engine.tuning_steps.step(index)
    network, settings = engine.network, engine.training
    names = [name for name, _ in network.module.named_parameters()]
    values = [leaf.squeeze(0).detach().requires_grad_() for leaf in network.leaves(step.state.theta)]
    buffers = {name: value.squeeze(0).clone() for name, value in step.state.buffers.items()}
    phi = torch.tensor(loss.weights, dtype=torch.float64, requires_grad=True)
    network.module.train()

    def raw(parameters: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        state = dict(zip(names, parameters, strict=True)) | {n: b.clone() for n, b in buffers.items()}
        return functional_call(network.module, state, (x,))

    f, y = prepare(raw(values, step.train.x), step.train.target, "multiclass", 3)
    inner = loss.scale * loss.value(f, y, phi).sum(-1).mean()
    gradients = torch.autograd.grad(inner, values, create_graph=True)
    rate = settings.lr * (1 + settings.momentum) if settings.nesterov else settings.lr
    after = [v - rate * (g + settings.weight_decay * v) for v, g in zip(values, gradients, strict=True)]
    outer = functional.cross_entropy(raw(after, step.validation.x), step.validation.target)
    return torch.autograd.grad(outer, phi)[0]


@pytest.mark.parametrize("network", [small_mlp, smooth_norm], ids=["mlp", "batchnorm"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_the_one_step_meta_gradient_is_that_of_double_backward(network: object, nesterov: bool) -> None:
    training = {"scale": "free", "nesterov": nesterov, "lr": 0.3, "weight_decay": 0.01}
    engine = make_engine(network, dtype="float64", tuning=EXACT, training=training)
    losses = [loss_of(text, scale=1.7) for text in LOSSES]
    population = engine.population(losses)
    ours = engine.tuner(engine.spec.tuning).exact_gradient(population, 2)
    for loss, row in zip(losses, ours, strict=True):
        expected = by_double_backward(engine, loss, 2)
        error = (row[: len(expected)] - expected).norm() / expected.norm()
        assert error < 1e-10
        assert not row[len(expected) :].any()


@pytest.mark.parametrize("path", [Path.DOUBLE_BACKWARD, Path.LOOP])
def test_every_path_gives_the_same_meta_gradient(path: Path) -> None:
    engine = make_engine(dtype="float64", tuning=EXACT)
    population = engine.population([loss_of(text) for text in LOSSES])
    tuner = engine.tuner(engine.spec.tuning)
    expected = tuner.exact_gradient(population, 0)
    tuner._steps.path = path
    torch.testing.assert_close(tuner.exact_gradient(population, 0), expected, rtol=1e-9, atol=1e-12)


def test_under_matched_scale_the_meta_gradient_is_that_of_the_rescaled_loss() -> None:
    engine = make_engine(dtype="float64", tuning=EXACT, training={"lr": 0.3})
    losses = engine.match_scale([loss_of(text) for text in LOSSES])
    population = engine.population(losses)
    tuner = engine.tuner(engine.spec.tuning)
    tuner._rescale(population)
    ours = tuner.exact_gradient(population, 1)
    step, snapshot, reference = (
        engine.tuning_steps.step(1),
        engine.matching.small,
        engine.matching.small_reference,
    )

    def after(loss: object) -> float:
        trial = engine.population([loss])
        tuner._rescale(trial)
        network = engine.network
        leaves = network.leaves(step.state.theta)
        raw = network.forward(leaves, step.state.buffers, step.train.x, shared=True, train=True)
        slopes = trial.gradient(raw, step.train.target)
        flat = network.flatten(torch.autograd.grad(raw, leaves, slopes))
        rate = engine.training.lr * 1.9
        theta = step.state.theta - rate * (flat + engine.training.weight_decay * step.state.theta)
        outputs = network.forward(
            network.leaves(theta), step.state.buffers, step.validation.x, shared=True, train=True
        )
        return float(functional.cross_entropy(outputs[0].detach(), step.validation.target))

    assert reference > 0
    assert snapshot.raw.shape[0] == 1
    for loss, row in zip(losses, ours, strict=True):
        for k in range(len(loss.weights)):
            nudge = 1e-5
            up, down = list(loss.weights), list(loss.weights)
            up[k] += nudge
            down[k] -= nudge
            numeric = (after(loss.with_weights(tuple(up))) - after(loss.with_weights(tuple(down)))) / (
                2 * nudge
            )
            assert float(row[k]) == pytest.approx(numeric, rel=1e-4, abs=1e-9)


def test_under_matched_scale_a_change_of_scale_has_no_meta_gradient() -> None:
    engine = make_engine(dtype="float64", tuning=EXACT)
    population = engine.population(engine.match_scale([loss_of(text) for text in LOSSES]))
    gradient = engine.tuner(engine.spec.tuning).exact_gradient(population, 0)
    # The root's weight multiplies the whole loss.
    assert gradient[:, 0].abs().max() < 1e-10 * gradient.abs().max()


def test_several_inner_steps_are_differentiated_through() -> None:
    tuning = {**EXACT, "inner_steps": 2}
    engine = make_engine(
        dtype="float64", tuning=tuning, training={"scale": "free", "momentum": 0.5, "nesterov": False}
    )
    loss = loss_of(LOSSES[1])
    population = engine.population([loss])
    ours = engine.tuner(engine.spec.tuning).exact_gradient(population, 0)[0]
    step = engine.tuning_steps.step(0)
    names = [name for name, _ in engine.network.module.named_parameters()]
    phi = torch.tensor(loss.weights, dtype=torch.float64, requires_grad=True)
    values = [leaf.squeeze(0).detach().requires_grad_() for leaf in engine.network.leaves(step.state.theta)]
    velocity = None
    for _ in range(2):
        raw = functional_call(engine.network.module, dict(zip(names, values, strict=True)), (step.train.x,))
        f, y = prepare(raw, step.train.target, "multiclass", 3)
        gradients = torch.autograd.grad(loss.value(f, y, phi).sum(-1).mean(), values, create_graph=True)
        decayed = [g + 5e-4 * v for g, v in zip(gradients, values, strict=True)]
        velocity = (
            decayed if velocity is None else [0.5 * m + g for m, g in zip(velocity, decayed, strict=True)]
        )
        values = [v - engine.lr * m for v, m in zip(values, velocity, strict=True)]
    raw = functional_call(engine.network.module, dict(zip(names, values, strict=True)), (step.validation.x,))
    expected = torch.autograd.grad(functional.cross_entropy(raw, step.validation.target), phi)[0]
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)


class NoForwardMode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx: object, slope: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return slope * x.cos()


class Sine(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return NoForwardMode.apply(x)


def without_forward_mode(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8), Sine(), nn.Linear(8, outputs))


def test_a_network_without_forward_mode_is_found_out_and_still_tuned_exactly() -> None:
    engine = make_engine(
        without_forward_mode, dtype="float64", tuning=EXACT, training={"scale": "free", "width": 1}
    )
    assert engine.path is Path.DOUBLE_BACKWARD
    loss = loss_of(LOSSES[0])
    ours = engine.tuner(engine.spec.tuning).exact_gradient(engine.population([loss]), 0)[0]
    expected = by_double_backward(engine, loss, 0)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)


def test_dropout_masks_of_both_products_are_the_same() -> None:
    engine = make_engine(norm_and_dropout, dtype="float64", tuning=EXACT)
    population = engine.population([loss_of(LOSSES[0])])
    tuner = engine.tuner(engine.spec.tuning)
    expected = tuner.exact_gradient(population, 0)
    tuner._steps.path = Path.DOUBLE_BACKWARD
    torch.testing.assert_close(tuner.exact_gradient(population, 0), expected, rtol=1e-9, atol=1e-12)
