"""Candidates per second against the conventional way of evaluating a learned loss, as a ratio in one run.

The conventional side is a plain rendering of what is usually done, without deliberate slowness: candidate by candidate,
the loss by autograd, its weights tuned by double backward through one unrolled step of a fresh network, then a training
run with torch.optim; tensors in memory, batched metrics. Both sides take the same losses, steps, batch size
and rate (0.01, the
paper's), split their losses between two worker processes of one thread each, and are timed in turn; the median of the
rounds' ratios is printed.

What a run computes once (data, kernels, triples) is charged to the losses timed in proportion: a search has 500
candidates. It is printed, too. The limit is the time of 500 steps of plain torch SGD under the task loss.

In the natural population, random expressions are taken as they come: the conventional side tunes every one, and then
filters, as published; ours filters first. What counts are accepted candidates per second.

    python benchmarks/conventional.py            the full protocol: 250 tuning and 500 training steps
    python benchmarks/conventional.py --smoke    a moment of each case, to see that it works
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from automl_loss import Candidate, Lane, SymbolicLoss, load_recipe, parse, standard_primitives
from automl_loss.engine.engine import Engine
from automl_loss.engine.tuning.tuning_steps import HELD_OUT
from automl_loss.losses.handcrafted import task_loss
from automl_loss.losses.inputs import prepare
from automl_loss.record.recorded_map import cut
from automl_loss.record.workers import Workers
from automl_loss.search.filters import Screen
from automl_loss.search.from_recipe import RunObjects, set_up

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
    natural: bool = False


IMAGES = "{name: dataset, train: '_images:rows'}"

CASES = (
    Case("diabetes, linear, 25 losses", "{name: diabetes}", "{name: linear}", 25),
    Case("digits, mlp 100-100, 25 losses", "{name: digits}", "{name: mlp, hidden: [100, 100]}", 25),
    Case("digits, mlp 1000-1000, 8 losses", "{name: digits}", "{name: mlp, hidden: [1000, 1000]}", 8),
    Case(
        "digits, mlp 100-100, natural", "{name: digits}", "{name: mlp, hidden: [100, 100]}", 50, natural=True
    ),
    Case("28x28 images, lenet5, 8 losses", IMAGES, "{name: lenet5}", 8),
    Case("28x28 images, lenet5, natural", IMAGES, "{name: lenet5}", 48, natural=True),
    Case(
        "digits, mlp 1000-1000, natural",
        "{name: digits}",
        "{name: mlp, hidden: [1000, 1000]}",
        24,
        natural=True,
    ),
)


BUDGET = 500
"""Candidates of a search by default: the share of what is computed once that one candidate bears."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one side in one worker.

    Args:
        seconds: of all losses.
        accepted: losses that were trained.
        once: seconds of what a run computes once.
    """

    seconds: float
    accepted: int
    once: float = 0.0


def conventional(engine: Engine, filtered: bool, losses: Sequence[SymbolicLoss]) -> Timing:
    """Tune, filter and train under each loss in turn."""
    start, accepted = time.perf_counter(), 0
    for loss in losses:
        scale = engine.match_scale([loss])[0].scale
        phi = torch.tensor(loss.weights, requires_grad=True)
        optimizer = torch.optim.Adam([phi], lr=engine.spec.tuning.lr)
        for _ in range(engine.spec.tuning.steps):
            optimizer.zero_grad()
            phi.grad = tuning_gradient(engine, loss, phi, scale)
            optimizer.step()
        if filtered and not moves_outputs(engine, loss, phi.detach(), scale):
            continue
        train(engine, loss, phi.detach(), scale)
        accepted += 1
    return Timing(time.perf_counter() - start, accepted)


def moves_outputs(engine: Engine, loss: SymbolicLoss, phi: Tensor, scale: float) -> bool:
    """The rejection protocol: whether optimising free outputs under the loss improves the metric."""
    rows = engine.train_rows[torch.arange(100)]
    raw = fresh(engine)(rows.x).detach().requires_grad_()
    before = engine.metric.values(raw.detach()[None], rows.target)[0]
    optimizer = torch.optim.Adam([raw], lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        value(engine, loss, phi, scale, raw, rows.target).backward()
        optimizer.step()
    return bool(engine.metric.values(raw.detach()[None], rows.target)[0] < before)


def fresh(engine: Engine) -> nn.Module:
    """A freshly initialised network."""
    return engine.spec.model().build(engine.problem.input_shape, engine.problem.output_dim)


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
    x, target = batch(engine, engine.train_rows)
    inner = value(engine, loss, phi, scale, network(x), target)
    gradients = torch.autograd.grad(inner, parameters, create_graph=True, materialize_grads=True)
    rate = engine.lr * (1 + engine.training.momentum)
    after = {n: p - rate * g for n, p, g in zip(names, parameters, gradients, strict=True)}
    x, target = batch(engine, engine.validation_rows)
    outer = task_loss(engine.problem).value(functional_call(network, after, (x,)), target).mean()
    return torch.autograd.grad(outer, phi, materialize_grads=True)[0]


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
    best, rows = float("inf"), engine.validation_rows
    for step in range(1, settings.steps + 1):
        x, target = batch(engine, engine.train_rows)
        optimizer.zero_grad()
        value(engine, loss, phi, scale, network(x), target).backward()
        optimizer.step()
        if step % max(1, settings.steps // 50) == 0:
            with torch.no_grad():
                best = min(best, float(engine.metric.values(network(rows.x)[None], rows.target)[0]))
    return best


def ours(engine: Engine, losses: Sequence[SymbolicLoss]) -> Timing:
    """The same by the engine: tune, match the scale, train."""
    start = time.perf_counter()
    engine.match_scale(losses)
    for index in range(engine.spec.tuning.steps + HELD_OUT):
        engine.tuning_steps.triple(index)
    begun = time.perf_counter()
    tuned = [result.loss for result in engine.tune(engine.match_scale(losses))]
    engine.train([Lane(loss, engine.lr, engine.search_seed(0)) for loss in engine.match_scale(tuned)])
    return Timing(time.perf_counter() - begun, len(losses), begun - start)


def plain(engine: Engine, share: int) -> Timing:
    """The limit: nothing but the training steps, under torch's own loss."""
    start = time.perf_counter()
    for _ in range(share):
        network, settings = fresh(engine), engine.training
        optimizer = torch.optim.SGD(
            network.parameters(), lr=engine.lr, momentum=settings.momentum, nesterov=settings.nesterov,
            weight_decay=settings.weight_decay,
        )  # fmt: skip
        loss = task_loss(engine.problem)
        for _ in range(settings.steps):
            x, target = batch(engine, engine.train_rows)
            optimizer.zero_grad()
            loss.value(network(x), target).mean().backward()
            optimizer.step()
    return Timing(time.perf_counter() - start, share)


def natural(objects: RunObjects, count: int) -> list[SymbolicLoss]:
    """Random expressions as a GP's first population has them."""
    found = [candidate.loss for candidate in objects.strategy.ask()]
    return [loss for loss in found if isinstance(loss, SymbolicLoss)][:count]


def accepted(
    objects: RunObjects, workers: Workers, losses: Sequence[SymbolicLoss]
) -> tuple[list[SymbolicLoss], float]:
    """What our filters let through, and the seconds they take on both cores, with a share of what is done once."""
    start = time.perf_counter()
    known = [SymbolicLoss(parse(text, standard_primitives())) for text in TEXTS[:2]]
    both = [Candidate(i, loss, generation=0) for i, loss in enumerate(known)]
    Screen(objects.recipe.filters, objects.engine, workers).screen(both)
    once = time.perf_counter() - start
    screen = Screen(objects.recipe.filters, objects.engine, workers)
    start = time.perf_counter()
    verdict = screen.screen([Candidate(i, loss, generation=0) for i, loss in enumerate(losses)])
    taken = time.perf_counter() - start
    return [losses[c.id] for c in verdict.survivors], taken + once * len(losses) / BUDGET


def per_second(timings: Sequence[Timing], extra: float = 0.0) -> float:
    """Accepted candidates per second of a side: its slower worker counts."""
    count = sum(t.accepted for t in timings)
    once = max(t.once for t in timings) * count / BUDGET
    return count / (max(t.seconds for t in timings) + once + extra)


def measure(case: Case, rounds: int, smoke: bool) -> None:
    """Time one case and print its ratios."""
    steps = ["tuning.steps=3", "training.steps=5"] if smoke else []
    fixed = [f"task={case.task}", f"model={case.model}", "training.lr=0.01", *steps]
    objects = set_up(
        load_recipe(
            "quickstart",
            [*fixed, "strategy={name: random, population: 50}", "executor={name: local, workers: 2}"],
        )
    )
    workers = Workers(objects.executor)
    words = standard_primitives()
    count = 4 if smoke else case.losses
    losses = [SymbolicLoss(parse(TEXTS[i % len(TEXTS)], words)) for i in range(count)]
    if case.natural:
        losses = natural(objects, count)
    speed, cost, once, rates = [], [], 0.0, []
    for number in range(rounds):
        # A new engine in each round, as of another run: nothing is left over from the one before, nor in workers.
        engine = Engine(replace(objects.engine.spec, run=f"round {number}"))
        good, extra = losses, 0.0
        if case.natural:
            good, extra = accepted(replace(objects, engine=engine), workers, losses)
        mine = workers.in_order(partial(ours, engine), halves(good))
        side = partial(conventional, engine, case.natural)
        theirs = workers.in_order(side, halves(losses))
        limit = workers.in_order(partial(plain, engine), [len(half) for half in halves(good)])
        rates.append(per_second(mine, extra))
        speed.append(per_second(mine, extra) / per_second(theirs))
        cost.append(per_second(limit) / per_second(mine))
        once = max(t.once for t in mine)
    workers.close()
    if smoke:
        print(f"{case.name}: works")
        return
    print(
        f"{case.name}, {len(good)} of {len(losses)} accepted: {statistics.median(speed):.1f} times as fast; "
        f"{statistics.median(rates):.2f} candidates per second; {statistics.median(cost):.2f} times the limit; "
        f"once per run {once:.1f} s",
        flush=True,
    )


def halves(losses: Sequence[SymbolicLoss]) -> list[tuple[SymbolicLoss, ...]]:
    """The losses of each worker."""
    return cut(losses, max(1, -(-len(losses) // 2)))


def main() -> None:
    """Time every case and print the ratios."""
    parser = argparse.ArgumentParser(description="Candidates per second, ours over conventional.")
    parser.add_argument("--smoke", action="store_true", help="a moment of each case")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    for case in CASES:
        if options.case in case.name:
            measure(case, 1 if options.smoke else options.rounds, options.smoke)


if __name__ == "__main__":
    main()
