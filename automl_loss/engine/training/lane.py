"""A training run as a value: what goes into the training loop, and what comes out. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl_loss.engine.settings import Resplit, StopRule
from automl_loss.engine.training.stopping import looks_of
from automl_loss.losses.base import Loss

if TYPE_CHECKING:
    from automl_loss.engine.network.network import State


def checked_lr(lr: Any) -> float:
    """Return a learning rate as a Python number.

    Raises:
        ValueError: it is no number, not finite, or not above 0.
    """
    if isinstance(lr, np.generic):
        lr = lr.item()
    if isinstance(lr, bool) or not isinstance(lr, int | float) or not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"a learning rate must be a finite number above 0 but got {lr!r:.80}.")
    return lr


@dataclass(frozen=True)
class Lane:
    """One training run of one base network.

    Args:
        loss: at its final weights and scale.
        lr: learning rate, finite and above 0; a numpy scalar becomes a Python number.
        seed: of the initial weights, the batch order and the dropout masks; lanes of equal seeds are compared paired.
        rows: which rows it trains on and is judged on; `None`: the task's training and validation rows.
        paused: an earlier part of the run to go on from, as `Trained.paused` gave it, under the same loss, rate, seed
            and schedule; `None`: a fresh network.

    Raises:
        ValueError: the learning rate is no number above 0.
    """

    loss: Loss
    lr: float
    seed: int
    rows: Resplit | None = None
    paused: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", checked_lr(self.lr))

    def to_json(self) -> list[Any]:
        """Plain data that tells the run from others, what is paused left out."""
        return [self.loss.to_json(), self.lr, self.seed, *([] if self.rows is None else [self.rows])]


@dataclass(frozen=True)
class Schedule:
    """Length of training runs, and what is looked at and kept on the way.

    Args:
        steps: length of a whole run.
        stop: the stopping rule.
        rungs: steps at which the fitness so far is reported.
        milestones: fractions of the steps after which the learning rate is multiplied by `training.gamma`.
        until: pause at this rung: each result's `paused` is what to go on from. `None`: train to the end.
        keep: whether results hold the network that the stopping rule chose; of whole runs alone.
        snapshots: steps after which results hold the network, 0 for the initial one.

    Raises:
        ValueError: `until` is no rung, or networks are to be kept for a part of a run.
    """

    steps: int
    stop: StopRule = "best_validation"
    rungs: tuple[int, ...] = ()
    milestones: tuple[float, ...] = ()
    until: int | None = None
    keep: bool = False
    snapshots: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.until not in (None, self.steps, *(rung for rung in self.rungs if rung < self.steps)):
            raise ValueError(
                f"cannot pause at step {self.until}, which is none of the rungs {list(self.rungs)}."
            )
        if self.keep and self.end < self.steps:
            raise ValueError("networks are kept of whole runs; do not pause them.")

    @property
    def end(self) -> int:
        """The last step that is trained."""
        return self.until or self.steps

    @property
    def looks(self) -> list[int]:
        """Steps after which the validation metric is taken, ascending."""
        return looks_of(self.steps, self.rungs)

    def lowered(self, step: int) -> int:
        """How many milestones lie before a step, counted from 1."""
        return sum(step > round(fraction * self.steps) for fraction in self.milestones)


@dataclass(frozen=True)
class Trained:
    """What training one network gave.

    Args:
        fitness: validation metric under the stopping rule, lower is better; `None` when training diverged. Of a
            paused run: so far.
        last: validation metric at the last step; `None` when training diverged.
        best_step: the step that the stopping rule chose.
        rungs: fitness so far at each rung that was reached.
        curve: validation metric at each look.
        steps: steps trained, since the start; fewer than asked for when training diverged.
        seconds: its share of the wall time.
        test_output: `(rows, outputs)` raw outputs on the test rows at `best_step`, when test rows were given.
        test_output_last: the same at the last step.
        paused: a run that was stopped on the way, to go on from; `None` when it ended.
        network: of width 1, the network at `best_step`, when it was asked for and training did not diverge.
        snapshots: networks of width 1 by step, as the schedule asked for; those that were not finite are left out.
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
    snapshots: Mapping[int, State] = field(default_factory=dict, repr=False)

    @property
    def diverged(self) -> bool:
        """Whether training became non-finite."""
        return self.fitness is None


def groups_of(keys: Sequence[Any]) -> list[list[int]]:
    """Indices of equal keys together, in the order in which keys first appear."""
    groups: dict[Any, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return list(groups.values())
