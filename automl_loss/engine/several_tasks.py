"""Train, tune and differentiate losses on several tasks at once; fitness is the mean relative to the task losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from statistics import fmean
from typing import Any, final

import torch
from torch import Tensor

from automl_loss.engine.engine import Engine
from automl_loss.engine.metrics.metric import Metric
from automl_loss.engine.network.network import Network
from automl_loss.engine.settings import TrainingSettings
from automl_loss.engine.training.lane import Lane, Schedule, Trained, checked_lr
from automl_loss.engine.training.old_signature import is_old, lanes_of
from automl_loss.engine.tuning.tuner import Tuned
from automl_loss.losses.base import Loss
from automl_loss.losses.problem import Problem
from automl_loss.plugins.task import Split

RELATIVE = "relative"
"""Name of the metric: the mean over tasks of the metric over the task loss's."""


@final
class SeveralTasks:
    """The `TrainingEngine` of several tasks of one kind.

    With m the metric of a loss on a task, b the task loss's there and n the validation rows, fitness is the mean over
    tasks of (m + s) / (b + s), s = 1 / (2 n): half an error keeps a task that is solved from dividing by zero. A loss
    is set to scale on each task for itself, whenever it is trained there, and rates are multiples of each task's own.
    Weights are tuned on each task and averaged (federated averaging, arXiv 1602.05629). A candidate is worth training
    when every task says so.

    Args:
        engines: of the tasks, the first of which speaks for all where one must.
        labels: of the tasks, all different.
        base: the task losses' metrics b, once they are known.
        lr: multiple of each task's own learning rate.
    """

    def __init__(
        self, engines: Sequence[Engine], labels: Sequence[str], base: Sequence[float] = (), lr: float = 1.0
    ) -> None:
        self.engines = tuple(engines)
        self.labels = tuple(labels)
        self.base = tuple(base)
        self.lr = lr
        self.problem: Problem = replace(self.engines[0].problem, metric=RELATIVE, class_prior=())
        self.metric = Metric(RELATIVE, True, (self.problem.kind,), _undefined, is_row_mean=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return SeveralTasks, (self.engines, self.labels, self.base, self.lr)

    @property
    def seed(self) -> int:
        """The run seed."""
        return self.engines[0].seed

    @property
    def training(self) -> TrainingSettings:
        """Settings of partial training, common to the tasks but for the learning rate."""
        return self.engines[0].training

    @property
    def schedule(self) -> Schedule:
        """Length and stopping rule of partial training."""
        return self.engines[0].schedule

    @property
    def device(self) -> torch.device:
        """Where all tasks' networks are."""
        return self.engines[0].device

    @property
    def network(self) -> Network:
        """The first task's network."""
        return self.engines[0].network

    @cached_property
    def width(self) -> int:
        """Most networks in a batch, on any task."""
        return min(engine.width for engine in self.engines)

    def with_lr(self, lr: float) -> SeveralTasks:
        """The same tasks at a multiple of each one's own learning rate."""
        return SeveralTasks(self.engines, self.labels, self.base, checked_lr(lr))

    def with_base(self, engines: Sequence[Engine], base: Sequence[float]) -> SeveralTasks:
        """The same tasks at their learning rates, with what the task losses give there."""
        return SeveralTasks(engines, self.labels, base, self.lr)

    @property
    def redrawable(self) -> bool:
        """See `Engine.redrawable`: all tasks' rows are."""
        return all(engine.redrawable for engine in self.engines)

    @property
    def parts(self) -> tuple[Engine, ...]:
        """The tasks' engines."""
        return self.engines

    def fingerprint(self) -> dict[str, str]:
        """Digests of the rows that a search sees, by task and split."""
        return {
            f"{label}: {name}": digest
            for label, engine in zip(self.labels, self.engines, strict=True)
            for name, digest in engine.fingerprint().items()
        }

    def search_seed(self, index: int) -> int:
        """See `Engine.search_seed`."""
        return self.engines[0].search_seed(index)

    def relative(self, values: Sequence[float]) -> float:
        """The mean of metrics, one a task, each over the task loss's."""
        return fmean(
            (value + s) / (base + s)
            for value, base, s in zip(values, self.base, self._softening, strict=True)
        )

    @property
    def _softening(self) -> list[float]:
        return [0.5 / len(engine.validation_rows) for engine in self.engines]

    def own(self, losses: Sequence[Loss], engine: Engine) -> list[Loss]:
        """The losses as one of the tasks takes them, at their scale there."""
        return engine.match_scale([loss.for_problem(engine.problem) for loss in losses])

    def train(
        self,
        lanes: Sequence[Lane],
        schedule: Schedule | None = None,
        *,
        test: Split | None = None,
        **old: Any,
    ) -> list[Trained]:
        """See `Engine.train`: fitness is relative, curves are means over tasks, steps are sums.

        Raises:
            ValueError: to pause, to keep networks or to give outputs for test rows is for one task.
        """
        if is_old(lanes, old):
            lanes, schedule = lanes_of(self, lanes, old)
        schedule = schedule or self.schedule
        whole = schedule.end == schedule.steps and not any(lane.paused for lane in lanes)
        if test is not None or schedule.keep or schedule.snapshots or not whole:
            raise ValueError("runs on several tasks are not paused, kept or tested; use each task's engine.")
        losses = [lane.loss for lane in lanes]
        runs = []
        for engine in self.engines:
            own = [
                replace(lane, loss=loss, lr=lane.lr * engine.lr)
                for lane, loss in zip(lanes, self.own(losses, engine), strict=True)
            ]
            runs.append(engine.train(own, schedule))
        return [self._joined(each) for each in zip(*runs, strict=True)]

    def _joined(self, runs: Sequence[Trained]) -> Trained:
        steps, seconds = sum(run.steps for run in runs), sum(run.seconds for run in runs)
        best_step = round(fmean(run.best_step for run in runs))
        fitness, last = (
            [r.fitness for r in runs if r.fitness is not None],
            [r.last for r in runs if r.last is not None],
        )
        if len(fitness) < len(runs) or len(last) < len(runs):
            return Trained(None, None, best_step, (), (), steps, seconds)
        rungs = tuple(self.relative(values) for values in zip(*(run.rungs for run in runs), strict=True))
        curve = tuple(self.relative(values) for values in zip(*(run.curve for run in runs), strict=True))
        return Trained(self.relative(fitness), self.relative(last), best_step, rungs, curve, steps, seconds)

    def match_scale(self, losses: Sequence[Loss]) -> list[Loss]:
        """The losses at scale 1, as each task sets its own; with `training.scale: free` as they are."""
        return list(losses) if self.training.scale == "free" else [loss.with_scale(1.0) for loss in losses]

    def tune(self, losses: Sequence[Loss], *, steps: int | None = None) -> list[Tuned]:
        """The losses with the mean of the weights that each task's tuning gives."""
        tuned = [engine.tune(self.own(losses, engine), steps=steps) for engine in self.engines]
        return [
            self._averaged(loss, each) for loss, each in zip(losses, zip(*tuned, strict=True), strict=True)
        ]

    @staticmethod
    def _averaged(loss: Loss, tuned: Sequence[Tuned]) -> Tuned:
        weights = tuple(map(fmean, zip(*(one.loss.weights for one in tuned), strict=True)))
        return Tuned(
            loss.with_weights(weights),
            exact=any(one.exact for one in tuned),
            steps=sum(one.steps for one in tuned),
            refused=all(one.refused for one in tuned),
        )

    def gradient_ratios(self, losses: Sequence[Loss]) -> Tensor:
        """The least ratio over tasks; not finite where it is not on one of them."""
        ratios = torch.stack([
            engine.gradient_ratios([loss.for_problem(engine.problem) for loss in losses]) for engine in self.engines
        ])  # fmt: skip
        return torch.where(torch.isfinite(ratios).all(0), ratios.amin(0), torch.nan)

    def improvements(
        self, losses: Sequence[Loss], steps: int | None = None, enough: float = math.inf
    ) -> Tensor:
        """The least improvement over tasks."""
        each = [engine.improvements(self.own(losses, engine), steps, enough) for engine in self.engines]
        return torch.stack(each).amin(0)

    def raw_gradients(self, losses: Sequence[Loss]) -> Tensor:
        """`(P, 3, ...)` gradients of all tasks side by side."""
        return torch.cat([engine.raw_gradients(self.own(losses, engine)) for engine in self.engines], dim=2)

    def rejects(self, losses: Sequence[Loss]) -> list[bool]:
        """Which tuned losses a task's rejection filter takes out."""
        each = [engine.rejects(self.own(losses, engine)) for engine in self.engines]
        return [any(flags) for flags in zip(*each, strict=True)]


def _undefined(raw: Tensor, target: Tensor) -> Tensor:
    raise ValueError("the relative metric is made of the tasks' own metrics; it has no value on raw outputs.")
