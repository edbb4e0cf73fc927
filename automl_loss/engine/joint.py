"""Several tasks as one: a loss is as good as it is on the mean of them, each measured against its own task loss."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from automl_loss.engine.engine import Engine
from automl_loss.engine.metrics import Metric
from automl_loss.engine.network import Network
from automl_loss.engine.rearranged import Rearrangement
from automl_loss.engine.settings import TrainingSettings
from automl_loss.engine.source import EngineSource
from automl_loss.engine.training import Trained
from automl_loss.engine.tuning import Tuned
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import task_loss
from automl_loss.losses.problem import Problem

RELATIVE = "relative"
"""Name of the metric: the mean over tasks of the metric over the task loss's."""


class JointEngine(Engine):
    """Engines of several tasks of one kind, behind the interface of one.

    With m the metric of a loss on a task, b the task loss's there and n the validation rows, fitness is the mean over
    tasks of (m + s) / (b + s), s = 1 / (2 n): half an error keeps a task that is solved from dividing by zero. A loss
    is set to scale on each task for itself, whenever it is trained there, and the rates given are multiples of each
    task's own. Weights are tuned on each task and averaged (federated averaging, arXiv 1602.05629). A candidate is
    worth training when every task says so.

    Args:
        engines: of the tasks, the first of which speaks for all where one must.
        labels: of the tasks, all different.
        base: the task losses' metrics b, once they are known.
    """

    def __init__(self, engines: Sequence[Engine], labels: Sequence[str], base: Sequence[float] = ()) -> None:
        self.engines = tuple(engines)
        self.labels = tuple(labels)
        self.base = tuple(base)
        first = self.engines[0]
        self.source: EngineSource = first.source
        self.device = first.device
        self.task = first.task
        self.problem: Problem = replace(first.problem, metric=RELATIVE, class_prior=())
        self.network: Network = first.network
        self.width = min(engine.width for engine in self.engines)
        self.metric = Metric(RELATIVE, True, (self.problem.kind,), _undefined, is_row_mean=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return JointEngine, (self.engines, self.labels, self.base)

    @property
    def lr(self) -> float:
        """1: rates are multiples of each task's own."""
        return 1.0

    def with_base(self, engines: Sequence[Engine], base: Sequence[float]) -> JointEngine:
        """The same tasks at their learning rates, with what the task losses give there."""
        return JointEngine(engines, self.labels, base)

    def with_training(self, **changes: Any) -> JointEngine:
        """See `Engine.with_training`."""
        return JointEngine([e.with_training(**changes) for e in self.engines], self.labels, self.base)

    def on_rows(self, rows: Rearrangement) -> JointEngine:
        """See `Engine.on_rows`."""
        return JointEngine([engine.on_rows(rows) for engine in self.engines], self.labels, self.base)

    @property
    def redrawable(self) -> bool:
        """See `Engine.redrawable`: all tasks' rows are."""
        return all(engine.redrawable for engine in self.engines)

    @property
    def parts(self) -> tuple[Engine, ...]:
        """The tasks' engines."""
        return self.engines

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

    def train(self, losses: Sequence[Loss], *, lr: Any = None, steps: int | None = None, rungs: Sequence[int] = (),
              seed: Any = None, until: int | None = None, **others: Any) -> list[Trained]:  # fmt: skip
        """See `Engine.train`: fitness is relative, curves are means over tasks, steps are sums.

        Raises:
            ValueError: to pause, to keep networks or to give outputs for test rows is for one task.
        """
        if any(others.values()) or until not in (None, steps or self.training.steps):
            raise ValueError("runs on several tasks are not paused, kept or tested; use each task's engine.")
        factors = [1.0 if lr is None else lr] * len(losses) if not isinstance(lr, Sequence) else list(lr)
        runs = [
            engine.train(
                self.own(losses, engine),
                lr=[f * engine.lr for f in factors],
                steps=steps,
                rungs=rungs,
                seed=seed,
            )
            for engine in self.engines
        ]
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

    def improvements(self, losses: Sequence[Loss], *arguments: Any, **options: Any) -> Tensor:
        """The least improvement over tasks."""
        each = [
            engine.improvements(self.own(losses, engine), *arguments, **options) for engine in self.engines
        ]
        return torch.stack(each).amin(0)

    def raw_gradients(self, losses: Sequence[Loss]) -> Tensor:
        """`(P, 3, ...)` gradients of all tasks side by side."""
        return torch.cat([engine.raw_gradients(self.own(losses, engine)) for engine in self.engines], dim=2)

    def rejects(self, losses: Sequence[Loss]) -> list[bool]:
        """Which tuned losses a task's rejection filter takes out."""
        each = [engine.rejects(self.own(losses, engine)) for engine in self.engines]
        return [any(flags) for flags in zip(*each, strict=True)]

    def task_losses(self) -> list[Loss]:
        """Each task's own task loss; they are of one kind."""
        return [copy.copy(task_loss(engine.problem)) for engine in self.engines]

    @property
    def training(self) -> TrainingSettings:
        """Settings of partial training, common to the tasks but for the learning rate."""
        return self.engines[0].training


def _undefined(raw: Tensor, target: Tensor) -> Tensor:
    raise ValueError("the relative metric is made of the tasks' own metrics; it has no value on raw outputs.")
