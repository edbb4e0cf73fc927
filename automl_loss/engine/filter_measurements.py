"""Measurements for the filters: improvement of free outputs, and gradient signatures. No network is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from automl_loss.engine.metrics.metric import Metric
from automl_loss.engine.population import Population
from automl_loss.engine.scale_matching import Snapshot
from automl_loss.engine.training.optimizers import StackedOptimizer, adam
from automl_loss.losses.base import Loss

SHARPENED = 5.0
"""Factor on the initial raw outputs in the second state of `signatures`: confident, yet untrained."""

_EARLY = 5
"""One over the share of the steps after which free outputs are looked at for the first time."""


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
