"""Define `Candidate`, a loss that a strategy proposes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from automl_loss.losses.base import Loss

OVERRIDES = ("lr", "lr_factor", "tuning_steps")
"""Keys of `Candidate.overrides`."""


@dataclass(frozen=True)
class Candidate:
    """A loss proposed by a strategy, with lineage.

    Numpy scalars are accepted for numbers, and whole floats for integers; the search turns them into Python's numbers.
    Booleans and tensors are refused.

    Args:
        id: unique in the run, counted upward from 1 in the order of asking (0 is the task loss).
        loss: the loss at its start weights.
        generation: the ask that made it, from 0.
        parents: ids of the candidates it descends from.
        overrides: settings for this candidate alone: `lr`, its learning rate, or `lr_factor`, a multiple of the
            search's, both finite and above 0; `tuning_steps`. Other keys are refused.
        rejected: a strategy's own reason not to run it; recorded, never trained.
    """

    id: int
    loss: Loss
    generation: int
    parents: tuple[int, ...] = ()
    overrides: Mapping[str, float] = field(default_factory=dict)
    rejected: str | None = None

    def lr(self, usual: float) -> float:
        """Return the learning rate that the candidate is trained at, given the search's."""
        return float(self.overrides.get("lr", usual * self.overrides.get("lr_factor", 1.0)))
