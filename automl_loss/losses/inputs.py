"""From raw outputs and targets to what an elementwise loss compares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_loss.losses.problem import Kind

if TYPE_CHECKING:
    from torch import Tensor


def prepare(raw: Tensor, target: Tensor, kind: Kind, outputs: int) -> tuple[Tensor, Tensor]:
    """Prediction f and target y of one shape.

    Args:
        raw: `(..., batch, outputs)` raw outputs.
        target: `(..., batch)` class indices, or `(..., batch, outputs)` floats for regression; leading
            dimensions may be missing when all networks share the targets.
        kind: of the problem.
        outputs: number of raw outputs.

    Returns:
        f: softmax (multiclass), sigmoid (binary) or the raw outputs, `(..., batch, outputs)`.
        y: one-hot, {0, 1} of shape `(..., batch, 1)`, or the targets, in f's dtype.
    """
    from torch.nn import functional

    if kind == "multiclass":
        return raw.softmax(-1), functional.one_hot(target, outputs).to(raw.dtype)
    if kind == "binary":
        return raw.sigmoid(), target.unsqueeze(-1).to(raw.dtype)
    return raw, target.to(raw.dtype)
