"""Scale matching: losses at the scale where they begin with the task loss's gradient norm.

A loss multiplied by ten is the same loss at ten times the learning rate. Norms are of gradients with respect to the
raw outputs, at the initial network of partial training on its first batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from automl_loss.engine.data.rows import BatchOrder
from automl_loss.engine.population import Compared, Population
from automl_loss.engine.training.train import Trainer, initial_state
from automl_loss.losses.base import Loss

_BATCHES = 4


@dataclass(frozen=True)
class Snapshot:
    """Raw outputs of one network state on fixed rows.

    Args:
        raw: `(1, rows, outputs)`.
        target: `(rows,)` or `(rows, outputs)`.
        compared: what elementwise losses make of the two, when it is at hand.
    """

    raw: Tensor
    target: Tensor
    compared: Compared | None = None


def gradient_norms(population: Population, snapshot: Snapshot) -> Tensor:
    """`(P,)` norms of the gradients with respect to the raw outputs, in float64."""
    return norms(population.gradient(snapshot.raw, snapshot.target, snapshot.compared))


def norms(gradients: Tensor) -> Tensor:
    """`(P,)` norms of `(P, rows, outputs)` gradients, in float64."""
    return gradients.double().flatten(1).square().sum(dim=1).sqrt()


def initial_snapshot(trainer: Trainer, seed: int) -> Snapshot:
    """Raw outputs of a run's initial network on its first batches."""
    order = BatchOrder(len(trainer.train), trainer.settings.batch_size, seed)
    state = initial_state(trainer.network, [seed])
    raws, targets = [], []
    for step in range(_BATCHES):
        batch = trainer.train[torch.as_tensor(order[step], device=trainer.network.device)]
        raws.append(trainer.network.outputs(state, batch.x))
        targets.append(batch.target)
    return Snapshot(torch.cat(raws, dim=1), torch.cat(targets))


class ScaleMatching:
    """Gradient norms at the initial network, and scales that make them equal to the task loss's.

    Args:
        snapshot: of the initial network.
        task_loss: population of the task loss alone.
        batch_size: rows of the first batch, which tuning matches on at every step.
    """

    def __init__(self, snapshot: Snapshot, task_loss: Population, batch_size: int) -> None:
        self.snapshot = snapshot
        self._task_loss = task_loss
        self._batch_size = batch_size

    @cached_property
    def reference(self) -> float:
        """The task loss's gradient norm on the snapshot."""
        return float(gradient_norms(self._task_loss, self.snapshot)[0])

    @cached_property
    def small(self) -> Snapshot:
        """The first batch of the snapshot."""
        size = min(self._batch_size, self.snapshot.raw.shape[1])
        raw, target = self.snapshot.raw[:, :size], self.snapshot.target[:size]
        return Snapshot(raw, target, self._task_loss.compare(raw, target))

    @cached_property
    def small_reference(self) -> float:
        """The task loss's gradient norm on the first batch."""
        return float(gradient_norms(self._task_loss, self.small)[0])

    def matched(self, population: Population) -> list[Loss]:
        """The losses of a population at the scale where their norm on the snapshot is the task loss's.

        The present scale does not matter. A loss without a usable gradient gets scale 1, and is for a filter to
        reject.
        """
        lengths = gradient_norms(population, self.snapshot).tolist()
        return [
            loss.with_scale(self._scale(length / loss.scale))
            for loss, length in zip(population.losses, lengths, strict=True)
        ]

    def _scale(self, bare: float) -> float:
        scale = self.reference / bare if 0.0 < bare < float("inf") else 1.0
        return scale if 0.0 < scale < float("inf") else 1.0

    def factors(self, lengths: Tensor) -> Tensor:
        """`(P,)` factors that bring norms on the first batch to the task loss's; 1 where that cannot be."""
        factor = self.small_reference / lengths
        usable = (lengths > 0) & torch.isfinite(factor) & (factor > 0)
        return torch.where(usable, factor, 1.0)
