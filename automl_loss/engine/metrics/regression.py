"""Compute metrics of regression, for P networks at once.

In all functions raw outputs are `(P, rows, outputs)`, targets `(rows, outputs)`; the result averages over outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from automl_loss.errors import EvaluationError


def mse(raw: Tensor, target: Tensor) -> Tensor:
    """Return `(P, rows)` squared errors."""
    return (raw - target).square().mean(-1)


def mae(raw: Tensor, target: Tensor) -> Tensor:
    """Return `(P, rows)` absolute errors."""
    return (raw - target).abs().mean(-1)


def pinball(raw: Tensor, target: Tensor, quantile: float) -> Tensor:
    """Return `(P, rows)` pinball losses: q d above the prediction, (q - 1) d below it, with d = target - raw."""
    difference = target - raw
    return torch.maximum(quantile * difference, (quantile - 1) * difference).mean(-1)


def r2(raw: Tensor, target: Tensor) -> Tensor:
    """Return `(P,)` shares of variance explained, 1 - residual / total sum of squares: higher is better."""
    target = target.double()
    total = (target - target.mean(0)).square().sum(0)
    if bool((target == target[0]).all(0).any()):
        raise EvaluationError(
            f"r2 needs targets that vary, and a target is the same in all {len(target)} rows; use mse or mae."
        )
    return (1 - (raw.double() - target).square().sum(1) / total).mean(1)
