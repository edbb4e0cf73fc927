"""Candidates per second against the conventional way of evaluating a learned loss, as a ratio in one run.

The conventional side is a plain rendering of what is usually done, without deliberate slowness: candidate by candidate,
the loss by autograd, its weights tuned by double backward through one unrolled step of a fresh network, then a training
run with torch.optim; tensors in memory, batched metrics. Both sides compute on one thread, take the same losses, steps
and batch size, and are timed in turn; the median of the rounds' ratios is printed.

    python benchmarks/conventional.py            the full protocol: 250 tuning and 500 training steps
    python benchmarks/conventional.py --smoke    a moment of each case, to see that it works
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from automl_loss import SymbolicLoss, load_recipe, parse, standard_primitives
from automl_loss.engine import Engine
from automl_loss.losses.handcrafted import task_loss
from automl_loss.losses.inputs import prepare
from automl_loss.search.setup import set_up

TEXTS = (
    "square(sub(y, f))",
    "abs(sub(y, f))",
    "log(add(1, square(sub(y, f))))",
    "sqrt(add(1, square(sub(y, f))))",
    "mul(sub(f, y), tanh(sub(f, y)))",
    "square(sub(tanh(y), tanh(f)))",
    "mul(abs(sub(y, f)), sqrt(abs(sub(y, f))))",
    "max(square(sub(y, f)), abs(sub(y, f)))",
    "add(square(sub(y, f)), abs(sub(f, y)))",
    "div(square(sub(y, f)), add(1, abs(y)))",
)


@dataclass(frozen=True)
class Case:
    """What is timed: a task, a model, and a number of losses."""

    name: str
    task: str
    model: str
    losses: int


CASES = (
    Case("diabetes, linear, 25 losses", "{name: diabetes}", "{name: linear}", 25),
    Case("digits, mlp 100-100, 25 losses", "{name: digits}", "{name: mlp, hidden: [100, 100]}", 25),
    Case("digits, mlp 1000-1000, 8 losses", "{name: digits}", "{name: mlp, hidden: [1000, 1000]}", 8),
)


def conventional(engine: Engine, losses: Sequence[SymbolicLoss]) -> None:
    """Tune and train under each loss in turn."""
    for loss in losses:
        scale = engine.match_scale([loss])[0].scale
        phi = torch.tensor(loss.weights, requires_grad=True)
        optimizer = torch.optim.Adam([phi], lr=engine.source.tuning.lr)
        for _ in range(engine.source.tuning.steps):
            optimizer.zero_grad()
            phi.grad = tuning_gradient(engine, loss, phi, scale)
            optimizer.step()
        train(engine, loss, phi.detach(), scale)


def fresh(engine: Engine) -> nn.Module:
    """A freshly initialised network."""
    return engine.source.model().build(engine.problem.input_shape, engine.problem.output_dim)


def batch(engine: Engine, rows: object) -> tuple[Tensor, Tensor]:
    """A random batch of rows in memory."""
    index = torch.randint(len(rows), (min(engine.training.batch_size, len(rows)),))  # type: ignore[arg-type]
    chosen = rows[index]  # type: ignore[index]
    return chosen.x, chosen.target


def value(
    engine: Engine, loss: SymbolicLoss, phi: Tensor, scale: float, raw: Tensor, target: Tensor
) -> Tensor:
    """The training loss by autograd."""
    f, y = prepare(raw, target, engine.problem.kind, engine.problem.output_dim)
    return scale * loss.value(f, y, phi).sum(-1).mean()


def tuning_gradient(engine: Engine, loss: SymbolicLoss, phi: Tensor, scale: float) -> Tensor:
    """dT/dphi by double backward through one step of SGD."""
    network = fresh(engine)
    names = [name for name, _ in network.named_parameters()]
    parameters = list(network.parameters())
    x, target = batch(engine, engine._train_rows)
    inner = value(engine, loss, phi, scale, network(x), target)
    gradients = torch.autograd.grad(inner, parameters, create_graph=True)
    rate = engine.lr * (1 + engine.training.momentum)
    after = {n: p - rate * g for n, p, g in zip(names, parameters, gradients, strict=True)}
    x, target = batch(engine, engine._validation_rows)
    outer = task_loss(engine.problem).value(functional_call(network, after, (x,)), target).mean()
    return torch.autograd.grad(outer, phi)[0]


def train(engine: Engine, loss: SymbolicLoss, phi: Tensor, scale: float) -> float:
    """A training run; the best validation metric on the way."""
    network, settings = fresh(engine), engine.training
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=engine.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
    )
    best, rows = float("inf"), engine._validation_rows
    for step in range(1, settings.steps + 1):
        x, target = batch(engine, engine._train_rows)
        optimizer.zero_grad()
        value(engine, loss, phi, scale, network(x), target).backward()
        optimizer.step()
        if step % max(1, settings.steps // 50) == 0:
            with torch.no_grad():
                best = min(best, float(engine.metric.values(network(rows.x)[None], rows.target)[0]))
    return best


def ours(engine: Engine, losses: Sequence[SymbolicLoss]) -> None:
    """The same by the engine: tune, match the scale, train."""
    tuned = [result.loss for result in engine.tune(engine.match_scale(losses))]
    engine.train(engine.match_scale(tuned))


def seconds(work: Callable[[], None]) -> float:
    """Wall time of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Time every case and print the ratios."""
    parser = argparse.ArgumentParser(description="Candidates per second, ours over conventional.")
    parser.add_argument("--smoke", action="store_true", help="a moment of each case")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    words = standard_primitives()
    for case in CASES:
        steps = ["tuning.steps=3", "training.steps=5"] if options.smoke else []
        fixed = [f"task={case.task}", f"model={case.model}", "training.lr=0.05", *steps]
        count = 2 if options.smoke else case.losses
        losses = [SymbolicLoss(parse(TEXTS[i % len(TEXTS)], words)) for i in range(count)]
        ratios = []
        for _ in range(1 if options.smoke else options.rounds):
            # A new engine in each round: what it computes once for a run is counted every time.
            engine = set_up(load_recipe("quickstart", fixed)).engine
            mine = seconds(lambda engine=engine, losses=losses: ours(engine, losses))  # type: ignore[misc]
            theirs = seconds(lambda engine=engine, losses=losses: conventional(engine, losses))  # type: ignore[misc]
            ratios.append(theirs / mine)
        rate = count / mine
        if options.smoke:
            print(f"{case.name}: works")
            continue
        print(
            f"{case.name}: {statistics.median(ratios):.1f} times as fast ({rate:.1f} candidates per second, one core)"
        )


if __name__ == "__main__":
    main()
