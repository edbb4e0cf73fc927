"""The training loop: base networks from scratch, many at once, each under its own loss, learning rate and seed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from automl_loss.engine._random import seeded
from automl_loss.engine.clock import timed
from automl_loss.engine.data.rows import BatchOrder, Rows
from automl_loss.engine.metrics.metric import Metric
from automl_loss.engine.network.network import Network, State
from automl_loss.engine.population import Population
from automl_loss.engine.settings import TrainingSettings
from automl_loss.engine.training.lane import Lane, Schedule, Trained
from automl_loss.engine.training.optimizers import make_optimizer
from automl_loss.engine.training.paused import PausedRun, go_on, pause
from automl_loss.engine.training.stopping import Stopping
from automl_loss.seeds import stream


def initial_state(network: Network, seeds: Sequence[int]) -> State:
    """Freshly initialised networks, one per seed; equal seeds share the work."""
    fresh = {seed: network.initial(stream(seed, "weights")) for seed in dict.fromkeys(seeds)}
    if len(fresh) == 1:
        return fresh[seeds[0]].expand(len(seeds))
    return State.stack([fresh[seed] for seed in seeds])


@dataclass(frozen=True)
class Trainer:
    """Trains networks of one architecture on fixed rows.

    Args:
        network: the architecture.
        train: training rows.
        validation: rows that the stopping rule and the fitness see.
        metric: lower is better inside.
        settings: optimiser and batch size.
    """

    network: Network
    train: Rows
    validation: Rows
    metric: Metric
    settings: TrainingSettings

    @timed("training")
    def run(
        self, population: Population, lanes: Sequence[Lane], schedule: Schedule, test: Rows | None = None
    ) -> list[Trained]:
        """Train `P = len(lanes)` networks as one batch.

        Initial weights, batch order and dropout masks are functions of the seed alone (common random numbers), so that
        losses with equal seeds are compared paired. A network that becomes non-finite is masked and keeps its place:
        no bit of its neighbours changes.

        Args:
            population: the lanes' losses, in order.
            lanes: all fresh, or all paused at one step; their `rows` are those of this trainer.
            schedule: common to all.
            test: rows to give raw outputs for, after training; they influence nothing.

        Returns:
            One `Trained` per lane, in order.
        """
        started = time.perf_counter()
        network, settings, device = self.network, self.settings, self.network.device
        seeds = [lane.seed for lane in lanes]
        shared = len(set(seeds)) == 1
        earlier = _paused_runs(lanes)
        watch = _Watch(len(lanes), schedule, device, earlier)
        optimizer = make_optimizer(settings)
        lrs = torch.tensor([lane.lr for lane in lanes], dtype=torch.float64, device=device)
        rates = lrs.to(network.dtype)[:, None]
        orders = [
            BatchOrder(len(self.train), settings.batch_size, seed)
            for seed in (seeds[:1] if shared else seeds)
        ]
        looks, snapshots, kept = set(schedule.looks), set(schedule.snapshots), dict[int, State]()
        paused: list[bytes | None] = [None] * len(lanes)
        with seeded(stream(seeds[0], "dropout"), device):
            state = go_on(earlier, optimizer, device) if earlier else initial_state(network, seeds)
            best = state.clone() if test is not None or schedule.keep else None
            if 0 in snapshots and not earlier:
                kept[0] = state.clone()
            for step in range((earlier[0].step if earlier else 0) + 1, schedule.end + 1):
                batch = self.train[_indices(orders, step - 1, shared, device)]
                raw, pull_back = network.differentiable(state, batch.x, shared=shared)
                slopes = watch.masked(population.gradient(raw, batch.target), step)
                decay = settings.gamma ** schedule.lowered(step)
                optimizer.step(state.theta, pull_back(slopes), rates * decay)
                if step in snapshots:
                    kept[step] = state.clone()
                if step in looks:
                    outputs = network.outputs(state, self.validation)
                    improved = watch.look(self.metric.values(outputs, self.validation.target), step)
                    if best is not None:
                        best.copy_rows(state, improved)
                if not watch.any_alive:
                    break
            if schedule.end < schedule.steps:
                paused = pause(schedule.end, state, optimizer, watch.states())
        tested: list[Tensor | None] = [None, None]
        if test is not None and best is not None:
            tested = [network.outputs(at, test) for at in (best, state)]
        seconds = (time.perf_counter() - started) / len(lanes)
        return watch.results(seconds, tested, paused, best if schedule.keep else None, kept)


def _paused_runs(lanes: Sequence[Lane]) -> list[PausedRun]:
    runs = [PausedRun.from_bytes(lane.paused) for lane in lanes if lane.paused is not None]
    if runs and len(runs) < len(lanes):
        raise ValueError(
            f"{len(runs)} of {len(lanes)} lanes are paused; a batch goes on, or begins, as a whole."
        )
    return runs


def _indices(orders: list[BatchOrder], step: int, shared: bool, device: torch.device) -> Tensor:
    index = orders[0][step] if shared else np.stack([order[step] for order in orders])
    return torch.as_tensor(index, device=device)


class _Watch:
    """Follows which networks of a batch are still finite, and what the stopping rule makes of the others."""

    def __init__(
        self, width: int, schedule: Schedule, device: torch.device, earlier: Sequence[PausedRun]
    ) -> None:
        self._end = schedule.end
        self._stopping = Stopping(schedule.stop, schedule.rungs, width, [run.watch for run in earlier])
        self._alive = torch.ones(width, dtype=torch.bool, device=device)
        self.any_alive, self._any_ended = True, False
        self._ended: list[int | None] = [None] * width

    def states(self) -> list[dict[str, object] | None]:
        """What the stopping rule has seen of each network; `None` for one that is not finite."""
        return [self._stopping.state(i) if alive else None for i, alive in enumerate(self._alive.tolist())]

    def _mask(self, finite: Tensor, step: int) -> None:
        """Take networks out for good that are no longer finite."""
        alive = self._alive & finite
        if not torch.equal(alive, self._alive):
            for i in torch.nonzero(self._alive & ~finite).flatten().tolist():
                self._ended[i] = step
            self._alive = alive
            self.any_alive, self._any_ended = bool(alive.any()), True

    def masked(self, slopes: Tensor, step: int) -> Tensor:
        """`(P, batch, outputs)` slopes, zero for networks that are no longer finite."""
        finite = torch.isfinite(slopes.sum((1, 2)))
        if not self._any_ended and bool(finite.all()):
            return slopes
        self._mask(finite, step)
        return torch.where(self._alive[:, None, None], slopes, 0.0)

    def look(self, values: Tensor, step: int) -> Tensor:
        """Take the metric `(P,)` after a step; returns for which networks the stopping rule now chooses it."""
        self._mask(torch.isfinite(values), step)
        chosen = self._stopping.look(values.double().cpu().numpy(), self._alive.cpu().numpy(), step)
        return torch.as_tensor(chosen, device=values.device)

    def results(
        self,
        seconds: float,
        tested: Sequence[Tensor | None],
        paused: Sequence[bytes | None],
        best: State | None,
        snapshots: dict[int, State],
    ) -> list[Trained]:
        """Results of all networks in order; those that are finite were trained to the schedule's end."""
        alive, stopping = self._alive.tolist(), self._stopping
        arrays = [None if output is None else output.float().cpu().numpy() for output in tested]
        return [
            Trained(
                fitness=float(stopping.best[i]) if alive[i] else None,
                last=stopping.curves[i][-1] if alive[i] else None,
                best_step=int(stopping.best_step[i]),
                rungs=tuple(stopping.rungs[i]),
                curve=tuple(stopping.curves[i]),
                steps=self._ended[i] or self._end,
                seconds=seconds,
                test_output=None if arrays[0] is None else arrays[0][i],
                test_output_last=None if arrays[1] is None else arrays[1][i],
                paused=paused[i],
                network=best.row(i) if best is not None and alive[i] else None,
                snapshots={
                    step: row
                    for step, state in snapshots.items()
                    if bool(torch.isfinite((row := state.row(i)).theta).all())
                },
            )
            for i in range(len(alive))
        ]
