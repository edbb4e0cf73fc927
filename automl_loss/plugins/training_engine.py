"""Define `TrainingEngine`, the interface of the engine for evaluators, with one task or several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, Self

from automl_loss.losses.base import Loss
from automl_loss.losses.problem import Problem

if TYPE_CHECKING:
    from torch import Tensor

    from automl_loss.engine.metrics.metric import Metric
    from automl_loss.engine.settings import TrainingSettings
    from automl_loss.engine.training.lane import Lane, Schedule, Trained
    from automl_loss.engine.tuning.tuner import Tuned
    from automl_loss.plugins.task import Split


class TrainingEngine(Protocol):
    """Trains, tunes and differentiates under many losses at once.

    It pickles: bind it to a stage by `functools.partial`; a worker process makes it once. Every random number is a
    function of the run seed and the stage, so that all losses of a run meet the same networks and batches.
    """

    @property
    def problem(self) -> Problem:
        """Kind and shapes of the task."""
        ...

    @property
    def metric(self) -> Metric:
        """The metric; lower is better inside."""
        ...

    @property
    def training(self) -> TrainingSettings:
        """The settings of partial training."""
        ...

    @property
    def seed(self) -> int:
        """The run seed."""
        ...

    @property
    def lr(self) -> float:
        """Learning rate of partial training; with several tasks, a multiple of each task's own."""
        ...

    @property
    def schedule(self) -> Schedule:
        """Length, rungs and stopping rule of partial training."""
        ...

    def with_lr(self, lr: float) -> Self:
        """Return the same engine at another learning rate; the data are shared."""
        ...

    def search_seed(self, index: int) -> int:
        """Return the seed of the `index`-th partial training of every candidate."""
        ...

    def train(
        self, lanes: Sequence[Lane], schedule: Schedule | None = None, *, test: Split | None = None
    ) -> list[Trained]:
        """Train a base network for each lane.

        Args:
            lanes: one network to train each.
            schedule: used for all lanes; default: partial training's.
            test: rows to compute raw outputs for; given in retraining only.

        Returns:
            One result per lane, in order; a loss that diverges is a result, not an error.
        """
        ...

    def match_scale(self, losses: Sequence[Loss]) -> list[Loss]:
        """Scale the losses so that their gradient norm equals the task loss's at the initial network.

        With `training.scale: free` they are returned unchanged.
        """
        ...

    def tune(self, losses: Sequence[Loss], *, steps: int | None = None) -> list[Tuned]:
        """Tune the weights of losses by meta-gradients under the recipe's tuning settings.

        Args:
            losses: at their start weights; those without weights are returned unchanged.
            steps: replaces the recipe's number of steps.
        """
        ...

    def rejects(self, losses: Sequence[Loss]) -> list[bool]:
        """Return which tuned losses the rejection filter rejects; none unless `filters.after_tuning` is on."""
        ...

    def gradient_ratios(self, losses: Sequence[Loss]) -> Tensor:
        """Return `(P,)` raw-output gradient norms over the task loss's, at the initial network."""
        ...

    def improvements(
        self, losses: Sequence[Loss], steps: int | None = None, enough: float = math.inf
    ) -> Tensor:
        """Return `(P,)` improvements of the metric from optimising free outputs.

        Args:
            losses: at the scale they are trained at.
            steps: number of optimiser steps; default: 100, for regression 1000.
            enough: an improvement above this ends a loss early.
        """
        ...

    def raw_gradients(self, losses: Sequence[Loss]) -> Tensor:
        """Return `(P, 3, ...)` gradients by the raw outputs on three network states, unreduced, scales included."""
        ...
