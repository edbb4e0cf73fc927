"""Training base networks from scratch, many at once, each under its own loss, learning rate and seed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automl_loss.engine._random import seeded
from automl_loss.engine.clock import timed
from automl_loss.engine.data import BatchOrder, Rows
from automl_loss.engine.metrics import Metric
from automl_loss.engine.network import Network, State
from automl_loss.engine.optimizers import make_optimizer
from automl_loss.engine.paused import PausedRun, go_on, pause
from automl_loss.engine.population import Population
from automl_loss.engine.settings import StopRule, TrainingSettings
from automl_loss.seeds import stream

_LOOKS = 50


@dataclass(frozen=True)
class Trained:
    """What training one network gave.

    Args:
        fitness: validation metric under the stopping rule, lower is better; `None` when training diverged. Of a
            paused run: so far.
        last: validation metric at the last step; `None` when training diverged.
        best_step: the step that the stopping rule chose.
        rungs: fitness so far at each rung that was reached.
        curve: validation metric at each look, every 2 % of the steps.
        steps: steps trained, since the start; fewer than asked for when training diverged.
        seconds: its share of the wall time.
        test_output: `(rows, outputs)` raw outputs on the test rows at `best_step`, when test rows were given.
        test_output_last: the same at the last step.
        paused: a run that was stopped on the way, to go on from; `None` when it ended.
        network: of width 1, the network at `best_step`, when it was asked for and training did not diverge.
    """

    fitness: float | None
    last: float | None
    best_step: int
    rungs: tuple[float, ...]
    curve: tuple[float, ...]
    steps: int
    seconds: float
    test_output: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    test_output_last: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    paused: bytes | None = field(default=None, repr=False)
    network: State | None = field(default=None, repr=False)

    @property
    def diverged(self) -> bool:
        """Whether training became non-finite."""
        return self.fitness is None


@dataclass(frozen=True)
class Schedule:
    """Length of a training run and what is looked at on the way."""

    steps: int
    stop: StopRule = "best_validation"
    rungs: tuple[int, ...] = ()

    @property
    def looks(self) -> list[int]:
        """Steps, counted from 1, after which the validation metric is taken: every 2 %, the rungs, and the last."""
        regular = {max(1, round(self.steps * k / _LOOKS)) for k in range(1, _LOOKS + 1)}
        return sorted(regular | {rung for rung in self.rungs if rung <= self.steps})


def initial_state(network: Network, seeds: Sequence[int]) -> State:
    """Freshly initialised networks, one per seed; equal seeds share the work."""
    fresh = {seed: network.initial(stream(seed, "weights")) for seed in dict.fromkeys(seeds)}
    if len(fresh) == 1:
        return fresh[seeds[0]].expand(len(seeds))
    return State.stack([fresh[seed] for seed in seeds])


@timed("training")
def train_together(
    network: Network,
    train: Rows,
    validation: Rows,
    population: Population,
    metric: Metric,
    settings: TrainingSettings,
    schedule: Schedule,
    lrs: Sequence[float],
    seeds: Sequence[int],
    test: Rows | None = None,
    until: int | None = None,
    paused: Sequence[bytes] = (),
    keep: bool = False,
) -> list[Trained]:
    """Train `P = len(population)` networks as one batch.

    Initial weights, batch order and dropout masks are functions of the seed alone (common random numbers), so that
    losses with equal seeds are compared paired. A network that becomes non-finite is masked and keeps its place: no
    bit of its neighbours changes.

    Args:
        network: the architecture.
        train: training rows.
        validation: rows that the stopping rule and the fitness see.
        population: the losses, one per network.
        metric: lower is better inside.
        settings: optimiser and batch size.
        schedule: steps, stopping rule, rungs.
        lrs: learning rate of each network.
        seeds: seed of each network.
        test: rows to give raw outputs for, after training; they influence nothing.
        until: pause after this step, which must be one of the looks.
        paused: runs to go on with, one per network, all paused at the same step; none: start afresh.
        keep: whether results hold the networks that the stopping rule chose.

    Returns:
        One `Trained` per network, in order.
    """
    started = time.perf_counter()
    width = len(population)
    shared = len(set(seeds)) == 1
    earlier = [PausedRun.from_bytes(data) for data in paused]
    watch = _Watch(width, schedule, network.device, [run.watch for run in earlier])
    optimizer = make_optimizer(settings)
    rates = torch.tensor(lrs, dtype=torch.float64, device=network.device).to(network.dtype)[:, None]
    orders = [BatchOrder(len(train), settings.batch_size, seed) for seed in (seeds[:1] if shared else seeds)]
    milestones = [round(fraction * schedule.steps) for fraction in settings.milestones]
    looks = set(schedule.looks)
    begun, end = earlier[0].step if earlier else 0, until or schedule.steps
    left: list[bytes | None] = [None] * width
    with seeded(stream(seeds[0], "dropout"), network.device):
        state = go_on(earlier, optimizer, network.device) if earlier else initial_state(network, seeds)
        best = state.clone() if test is not None or keep else None
        for step in range(begun + 1, end + 1):
            batch = train[_indices(orders, step - 1, shared, network.device)]
            raw, pull_back = network.differentiable(state, batch.x, shared=shared)
            slopes = watch.masked(population.gradient(raw, batch.target), step)
            decay = settings.gamma ** sum(step > milestone for milestone in milestones)
            optimizer.step(state.theta, pull_back(slopes), rates * decay)
            if step in looks:
                values = metric.values(network.outputs(state, validation), validation.target)
                improved = watch.look(values, step)
                if best is not None:
                    best.copy_rows(state, improved)
            if not watch.any_alive:
                break
        if end < schedule.steps:
            left = pause(end, state, optimizer, watch.lanes())
    outputs = (
        [None, None] if test is None or best is None else [network.outputs(s, test) for s in (best, state)]
    )
    kept = best if keep else None
    return watch.results(time.perf_counter() - started, outputs, left, end, kept)


def _indices(orders: list[BatchOrder], step: int, shared: bool, device: torch.device) -> Tensor:
    index = orders[0][step] if shared else np.stack([order[step] for order in orders])
    return torch.as_tensor(index, device=device)


class _Watch:
    """Follows the networks' validation metric, and which of them are still finite."""

    def __init__(
        self, width: int, schedule: Schedule, device: torch.device, lanes: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self._schedule = schedule
        self.alive = torch.ones(width, dtype=torch.bool, device=device)
        self.any_alive, self._any_ended = True, False
        self._ended: list[int | None] = [None] * width
        self._best = np.array([lane["best"] for lane in lanes] or [np.inf] * width)
        self._best_step = np.array([lane["best_step"] for lane in lanes] or [0] * width)
        self._curves: list[list[float]] = [list(lane["curve"]) for lane in lanes] or [
            [] for _ in range(width)
        ]
        self._rungs: list[list[float]] = [list(lane["rungs"]) for lane in lanes] or [[] for _ in range(width)]

    def lanes(self) -> list[Mapping[str, Any] | None]:
        """What was seen of each network, for one that goes on later; `None` for one that is not finite."""
        return [
            {
                "best": float(self._best[i]),
                "best_step": int(self._best_step[i]),
                "curve": self._curves[i],
                "rungs": self._rungs[i],
            } if alive else None
            for i, alive in enumerate(self.alive.tolist())
        ]  # fmt: skip

    def mask(self, finite: Tensor, step: int) -> None:
        """Take networks out for good that are no longer finite."""
        alive = self.alive & finite
        if not torch.equal(alive, self.alive):
            for i in torch.nonzero(self.alive & ~finite).flatten().tolist():
                self._ended[i] = step
            self.alive = alive
            self.any_alive, self._any_ended = bool(alive.any()), True

    def masked(self, slopes: Tensor, step: int) -> Tensor:
        """`(P, batch, outputs)` slopes, zero for networks that are no longer finite."""
        finite = torch.isfinite(slopes.sum((1, 2)))
        if not self._any_ended and bool(finite.all()):
            return slopes
        self.mask(finite, step)
        return torch.where(self.alive[:, None, None], slopes, 0.0)

    def look(self, values: Tensor, step: int) -> Tensor:
        """Take the metric `(P,)` after a step; returns which networks improved."""
        self.mask(torch.isfinite(values), step)
        seen = values.double().cpu().numpy()
        alive = self.alive.cpu().numpy()
        better = alive & ((seen < self._best) if self._schedule.stop == "best_validation" else True)
        self._best = np.where(better, seen, self._best)
        self._best_step = np.where(better, step, self._best_step)
        for i in np.flatnonzero(alive):
            self._curves[i].append(float(seen[i]))
            if step in self._schedule.rungs:
                self._rungs[i].append(float(self._best[i]))
        return torch.as_tensor(better, device=values.device)

    def results(
        self,
        seconds: float,
        outputs: Sequence[Tensor | None],
        paused: Sequence[bytes | None],
        end: int,
        kept: State | None,
    ) -> list[Trained]:
        """Results of all networks in order; those that are finite were trained to step `end`."""
        alive = self.alive.tolist()
        arrays = [None if output is None else output.float().cpu().numpy() for output in outputs]
        return [
            Trained(
                fitness=float(self._best[i]) if alive[i] else None,
                last=self._curves[i][-1] if alive[i] else None,
                best_step=int(self._best_step[i]),
                rungs=tuple(self._rungs[i]),
                curve=tuple(self._curves[i]),
                steps=self._ended[i] or end,
                seconds=seconds / len(alive),
                test_output=None if arrays[0] is None else arrays[0][i],
                test_output_last=None if arrays[1] is None else arrays[1][i],
                paused=paused[i],
                network=kept.row(i) if kept is not None and alive[i] else None,
            )
            for i in range(len(alive))
        ]
