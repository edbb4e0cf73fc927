"""What a loss does to raw outputs, seen without training a network: scale matching and the filters' measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from automl_loss.engine.metrics import Metric
from automl_loss.engine.optimizers import adam
from automl_loss.engine.population import Compared, Population
from automl_loss.losses.base import Loss

SHARPENED = 5.0
"""Factor on the initial raw outputs in the second state of `signatures`: confident, yet untrained."""


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


def matched_scales(
    losses: Sequence[Loss], population: Population, reference: float, snapshot: Snapshot
) -> list[float]:
    """Scales at which each loss's gradient norm at a snapshot equals `reference`, the task loss's.

    The present scale does not matter. A loss without a usable gradient keeps scale 1, and is for a filter to reject.
    """
    scales = []
    for loss, norm in zip(losses, gradient_norms(population, snapshot).tolist(), strict=True):
        bare = norm / loss.scale
        usable = 0.0 < bare < float("inf")
        scale = reference / bare if usable else 1.0
        scales.append(scale if 0.0 < scale < float("inf") else 1.0)
    return scales


def improvement(
    population: Population, snapshot: Snapshot, metric: Metric, steps: int, lr: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Metric before and after optimising the raw outputs themselves under each loss by Adam.

    The rejection protocol of AutoLoss-Zero (arXiv 2103.14026): a loss that cannot even move free outputs towards
    their targets cannot train a network.

    Returns:
        Two `(P,)` tensors, lower is better; infinite where the outputs became non-finite.
    """
    raw = snapshot.raw.expand(len(population), -1, -1).clone()
    before = metric.values(raw, snapshot.target)
    flat, rate = raw.view(len(raw), -1), torch.full((1, 1), lr, dtype=raw.dtype, device=raw.device)
    optimizer = adam()
    whole = True
    for _ in range(steps):
        slopes = population.gradient(raw, snapshot.target).mul_(snapshot.raw.shape[1])
        if whole:
            whole = bool(torch.isfinite(slopes.sum()))
        if not whole:
            alive = torch.isfinite(slopes.sum((1, 2)))
            slopes = torch.where(alive[:, None, None], slopes, 0.0)
        optimizer.step(flat, [slopes], rate)
    return before, metric.values(raw, snapshot.target)


def signatures(population: Population, snapshots: Sequence[Snapshot]) -> Tensor:
    """Unreduced raw-output gradients on several states, `(P, states, rows * outputs)`."""
    return torch.stack([population.gradient(s.raw, s.target).flatten(1) for s in snapshots], dim=1)
