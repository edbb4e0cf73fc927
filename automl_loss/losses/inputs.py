"""Compute an elementwise loss's inputs: softmax or sigmoid of raw outputs, and one-hot of class indices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_loss.losses.problem import Kind

if TYPE_CHECKING:
    from torch import Tensor

_LONG = 64


def prepare(raw: Tensor, target: Tensor, kind: Kind, outputs: int) -> tuple[Tensor, Tensor]:
    """Return prediction f and target y of one shape.

    Args:
        raw: `(..., batch, outputs)` raw outputs.
        target: `(..., batch)` class indices, or `(..., batch, outputs)` floats for regression; leading
            dimensions may be missing when all networks share the targets.
        kind: kind of problem: `multiclass`, `binary` or `regression`.
        outputs: number of raw outputs.

    Returns:
        f: softmax (multiclass), sigmoid (binary) or the raw outputs, `(..., batch, outputs)`.
        y: one-hot, {0, 1} of shape `(..., batch, 1)`, or the targets, in f's dtype.
    """
    from torch.nn import functional

    if kind == "multiclass":
        return _softmax(raw), functional.one_hot(target, outputs).to(raw.dtype)
    if kind == "binary":
        return raw.sigmoid(), target.unsqueeze(-1).to(raw.dtype)
    return raw, target.to(raw.dtype)


def _softmax(raw: Tensor) -> Tensor:
    """Compute the softmax over the last dimension.

    torch's own takes ten times as long over a short last dimension as over one before it.
    """
    if raw.ndim < 2 or raw.shape[-1] >= _LONG:
        return raw.softmax(-1)
    return raw.transpose(-1, -2).contiguous().softmax(-2).transpose(-1, -2).contiguous()
