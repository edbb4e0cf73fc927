"""Compute metrics of classification, for P networks at once.

In all functions raw outputs `(P, rows, outputs)` are logits, a single one for a binary task; targets are `(rows,)`
int64 class indices.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from automl_loss.errors import EvaluationError

_BINS = 15


def predicted_class(raw: Tensor) -> Tensor:
    """Return the `(P, rows)` int64 classes of the highest score; the first of equal ones."""
    return (raw[..., 0] > 0).long() if raw.shape[-1] == 1 else raw.argmax(-1)


def error(raw: Tensor, target: Tensor) -> Tensor:
    """Return `(P, rows)` errors: 1 where the predicted class is wrong."""
    return (predicted_class(raw) != target).to(raw.dtype)


def nll(raw: Tensor, target: Tensor) -> Tensor:
    """Return the `(P, rows)` negative log-likelihood of the target's class, in nats."""
    if raw.shape[-1] == 1:
        logit = raw[..., 0]
        return functional.binary_cross_entropy_with_logits(
            logit, target.to(raw.dtype).expand_as(logit), reduction="none"
        )
    index = target[None, :, None].expand(len(raw), -1, 1)
    return -functional.log_softmax(raw, -1).gather(-1, index)[..., 0]


def balanced_error(raw: Tensor, target: Tensor) -> Tensor:
    """Return the `(P,)` share of wrong rows within each class that occurs in the targets, averaged over classes."""
    wrong = error(raw, target)
    rows = torch.bincount(target, minlength=_classes(raw))
    of_class = _sum_by(target.expand_as(wrong), wrong, len(rows))
    occurs = rows > 0
    return (of_class[:, occurs] / rows[occurs]).mean(1)


def macro_f1(raw: Tensor, target: Tensor) -> Tensor:
    """Return the `(P,)` mean F1 score over the classes that occur or are predicted: higher is better."""
    chosen = predicted_class(raw)
    hit = (chosen == target).double()
    rows = torch.bincount(target, minlength=_classes(raw))
    hits = _sum_by(chosen, hit, len(rows))
    either = _sum_by(chosen, torch.ones_like(hit), len(rows)) + rows  # 2 TP + FP + FN
    return (2 * hits / either.clamp(min=1)).sum(1) / (either > 0).sum(1)


def auroc(raw: Tensor, target: Tensor) -> Tensor:
    """Return the `(P,)` area under the ROC curve: higher is better.

    The area is the share of pairs of a positive and a negative row that the score puts in order, ties
    counting half: the rank-sum statistic. With several classes: each against the rest by its probability,
    averaged over the classes that occur.
    """
    if raw.shape[-1] == 1:
        scores = raw[..., 0][:, None]
        positive = target[None] == 1
    else:
        # float64, since probabilities near one that are equal in float32 would count as ties.
        scores = raw.double().softmax(-1).transpose(1, 2)
        positive = functional.one_hot(target, raw.shape[-1]).T.bool()
    positives = positive.sum(1)
    negatives = len(target) - positives
    defined = (positives > 0) & (negatives > 0)
    if not bool(defined.any()):
        raise EvaluationError(
            f"auroc needs rows of at least two classes, and all {len(target)} rows are of class "
            f"{int(target[0])}; use more rows or another metric."
        )
    scores, positive = scores[:, defined].contiguous(), positive[defined]
    positives, negatives = positives[defined].double(), negatives[defined].double()
    ordered = scores.sort(-1).values
    ranks = (torch.searchsorted(ordered, scores) + torch.searchsorted(ordered, scores, right=True) + 1) / 2
    in_order = (ranks.double() * positive).sum(-1) - positives * (positives + 1) / 2
    return (in_order / (positives * negatives)).mean(1)


def ece(raw: Tensor, target: Tensor) -> Tensor:
    """Return the `(P,)` expected calibration error of the predicted class, with 15 equal bins of confidence.

    Sum over the bins of (share of rows) * |accuracy - mean confidence| (Guo et al. 2017, arXiv 1706.04599).
    """
    probability = torch.cat([-raw, raw], -1).sigmoid() if raw.shape[-1] == 1 else raw.softmax(-1)
    confidence, chosen = probability.double().max(-1)
    gap = (chosen == target).double() - confidence
    bins = (confidence * _BINS).long().clamp(max=_BINS - 1)
    return _sum_by(bins, gap, _BINS).abs().sum(1) / len(target)


def _classes(raw: Tensor) -> int:
    return max(2, raw.shape[-1])


def _sum_by(index: Tensor, values: Tensor, size: int) -> Tensor:
    """Return `(P, size)` float64 sums of `(P, rows)` values over the rows of each `(P, rows)` index."""
    sums = torch.zeros(len(values), size, dtype=torch.float64, device=values.device)
    return sums.scatter_add_(1, index, values.double())
