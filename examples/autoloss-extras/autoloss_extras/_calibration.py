"""How far the outputs of a network can be taken at their word."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from automl_loss import Problem


def calibration(raw: Tensor, target: Tensor, problem: Problem, bins: int) -> dict[str, float]:
    """Figures of calibration.

    Classification: `nll`, the mean negative log-likelihood in nats, and `ece`, the expected calibration error: rows
    are sorted into equal bins of confidence, and the gap between confidence and accuracy of each is averaged over rows
    (Guo et al., ICML 2017, arXiv 1706.04599). Both are 0 at best.

    Regression: `bias`, the mean of target - prediction, and `slope`, of the least-squares line of the target over
    the prediction, all rows and outputs together (Mincer & Zarnowitz, 1969). At best 0 and 1; below 1, predictions
    go too far.

    Args:
        raw: `(rows, outputs)` raw outputs.
        target: `(rows,)` class indices, or `(rows, outputs)` floats.
        problem: which of the two it is.
        bins: of confidence.
    """
    raw = raw.double()
    if not problem.is_classification:
        return _line(raw.flatten(), target.double().flatten())
    if problem.kind == "binary":
        # One logit z is the two-class problem with raw outputs (0, z).
        raw = torch.cat([torch.zeros_like(raw), raw], dim=1)
    confidence, guess = raw.softmax(dim=1).max(dim=1)
    gap = (guess == target).double() - confidence
    place = (confidence * bins).long().clamp(max=bins - 1)
    gaps = torch.zeros(bins, dtype=gap.dtype, device=gap.device).index_add(0, place, gap)
    return {
        "nll": float(functional.cross_entropy(raw, target)),
        "ece": float(gaps.abs().sum() / len(gap)),
    }


def _line(prediction: Tensor, target: Tensor) -> dict[str, float]:
    centred = prediction - prediction.mean()
    spread = float(centred.square().sum())
    # Predictions that are all equal say nothing: their line is flat.
    slope = float((centred * target).sum()) / spread if spread else 0.0
    return {"bias": float((target - prediction).mean()), "slope": slope}
