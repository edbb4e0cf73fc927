"""What a loss does to raw outputs, seen without training a network: scale matching and the filters' measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from automl_loss.engine.metrics import Metric
from automl_loss.engine.population import Population
from automl_loss.losses.base import Loss

SHARPENED = 5.0
"""Factor on the initial raw outputs in the second state of `signatures`: confident, yet untrained."""


@dataclass(frozen=True)
class Snapshot:
    """Raw outputs of one network state on fixed rows.

    Args:
        raw: `(1, rows, outputs)`.
        target: `(rows,)` or `(rows, outputs)`.
    """

    raw: Tensor
    target: Tensor


def gradient_norms(population: Population, snapshot: Snapshot) -> Tensor:
    """`(P,)` norms of the gradients with respect to the raw outputs, in float64."""
    gradients = population.gradient(snapshot.raw, snapshot.target).double().flatten(1)
    return gradients.square().sum(dim=1).sqrt()


def matched_scales(
    losses: Sequence[Loss], population: Population, reference: float, snapshot: Snapshot
) -> list[float]:
    """Scales at which each loss's gradient norm at a snapshot equals `reference`, the task loss's.

    The present scale does not matter. A loss without a usable gradient keeps scale 1, and is for a filter to reject.
    """
    norms = gradient_norms(population, snapshot).tolist()
    scales = []
    for loss, norm in zip(losses, norms, strict=True):
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
    raw.requires_grad_()
    optimizer = torch.optim.Adam([raw], lr=lr)
    for _ in range(steps):
        slopes = population.gradient(raw, snapshot.target)
        alive = torch.isfinite(slopes.sum((1, 2)))
        raw.grad = torch.where(alive[:, None, None], slopes * snapshot.raw.shape[1], 0.0)
        optimizer.step()
    return before, metric.values(raw.detach(), snapshot.target)


def signatures(population: Population, snapshots: Sequence[Snapshot]) -> Tensor:
    """Unreduced raw-output gradients on several states, `(P, states, rows * outputs)`."""
    return torch.stack([population.gradient(s.raw, s.target).flatten(1) for s in snapshots], dim=1)
