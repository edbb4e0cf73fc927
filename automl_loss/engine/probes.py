"""What a loss does to raw outputs, seen without training a network: scale matching and the filters' measurements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from automl_loss.engine.metrics import Metric
from automl_loss.engine.optimizers import StackedOptimizer, adam
from automl_loss.engine.population import Compared, Population
from automl_loss.losses.base import Loss

SHARPENED = 5.0
"""Factor on the initial raw outputs in the second state of `signatures`: confident, yet untrained."""


_EARLY = 5
"""One over the share of the steps after which free outputs are looked at for the first time."""


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


def improvements(
    population_of: Callable[[Sequence[Loss]], Population],
    losses: Sequence[Loss],
    snapshot: Snapshot,
    metric: Metric,
    steps: int,
    enough: float = math.inf,
    lr: float = 0.01,
) -> Tensor:
    """How far optimising the raw outputs themselves under each loss, by Adam, improves the metric.

    The rejection protocol of AutoLoss-Zero (arXiv 2103.14026): a loss that cannot even move free outputs towards
    their targets cannot train a network. What is asked is whether it can, so a loss that has done so after a fifth of
    the steps is let off the rest; on a GP's natural population that halves the work.

    Args:
        population_of: makes losses ready to be differentiated.
        losses: the P losses.
        snapshot: the outputs to begin with.
        metric: lower is better inside.
        steps: of Adam.
        enough: an improvement above this ends a loss early.
        lr: of Adam.

    Returns:
        `(P,)` metric before less metric after; not finite where the outputs became so.
    """
    raw = snapshot.raw.expand(len(losses), -1, -1).clone()
    before = metric.values(raw, snapshot.target)
    gains, left, optimizer = torch.empty_like(before), torch.arange(len(losses), device=raw.device), adam()
    early = steps // _EARLY
    for count in (early, steps - early):
        _optimise(raw, population_of([losses[i] for i in left.tolist()]), snapshot, optimizer, count, lr)
        gains[left] = before[left] - metric.values(raw, snapshot.target)
        going_on = ~(gains[left] > enough)
        left, raw = left[going_on], raw[going_on]
        if not len(left):
            break
        optimizer.keep(going_on)
    return gains


def _optimise(
    raw: Tensor,
    population: Population,
    snapshot: Snapshot,
    optimizer: StackedOptimizer,
    steps: int,
    lr: float,
) -> None:
    """Move raw outputs in place; rows of a loss that is not finite stay where they are."""
    flat, rate = raw.view(len(raw), -1), torch.full((1, 1), lr, dtype=raw.dtype, device=raw.device)
    finite = True
    for _ in range(steps):
        slopes = population.gradient(raw, snapshot.target).mul_(snapshot.raw.shape[1])
        if finite:
            finite = bool(torch.isfinite(slopes.sum()))
        if not finite:
            alive = torch.isfinite(slopes.sum((1, 2)))
            slopes = torch.where(alive[:, None, None], slopes, 0.0)
        optimizer.step(flat, [slopes], rate)


def signatures(population: Population, snapshots: Sequence[Snapshot]) -> Tensor:
    """Unreduced raw-output gradients on several states, `(P, states, rows * outputs)`."""
    return torch.stack([population.gradient(s.raw, s.target).flatten(1) for s in snapshots], dim=1)
