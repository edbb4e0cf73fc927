"""Define `LearnedLoss`, a `torch.nn.Module` that computes any `Loss`; kept apart because it imports torch."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from automl_loss.losses.base import Loss
from automl_loss.losses.formula import formula
from automl_loss.losses.inputs import prepare
from automl_loss.losses.problem import Problem


class LearnedLoss(torch.nn.Module):
    """Drop-in replacement for torch's loss modules, on raw outputs; picklable.

    Args:
        loss: the loss; its scale is applied.
        problem: gives the kind and the number of raw outputs.
    """

    def __init__(self, loss: Loss, problem: Problem) -> None:
        super().__init__()
        self.loss = loss
        self.problem = problem

    def forward(self, raw_output: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        """Compute the loss of a batch.

        Args:
            raw_output: `(batch, outputs)`; or `(batch,)` for a single output that is no class.
            target: `(batch,)` class indices or `(batch, classes)` one-hot; zeros and ones of shape
                `(batch,)` or `(batch, 1)` for a binary problem; floats of the outputs' shape for
                regression.
            reduction: `mean` or `sum` over the batch, or `none`.

        Returns:
            A scalar, or `(batch,)` without reduction.

        Raises:
            ValueError: a shape or the reduction is wrong.
        """
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none' but got {reduction!r}.")
        raw, target = self._checked(raw_output, target)
        if self.loss.space == "prediction":
            values = self.loss.value(*prepare(raw, target, self.problem.kind, self.problem.output_dim))
        else:
            values = self.loss.value(raw, target)
        per_sample = self.loss.scale * values.reshape(len(values), -1).sum(dim=1)
        return per_sample if reduction == "none" else cast(Tensor, getattr(per_sample, reduction)())

    def extra_repr(self) -> str:
        """Return the formula, for `repr`."""
        return formula(self.loss)

    def _checked(self, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Check both shapes; return raw outputs `(batch, outputs)` and targets as a data set holds them."""
        got = f"raw_output of shape {tuple(raw.shape)} and target of shape {tuple(target.shape)}"
        outputs = self.problem.output_dim
        if self.problem.kind == "multiclass":
            if target.shape == raw.shape and raw.ndim == 2:
                target = target.argmax(dim=1)
            if raw.ndim != 2 or raw.shape[1] != outputs or target.shape != raw.shape[:1]:
                raise ValueError(
                    f"expected (batch, {outputs}) and (batch,) or (batch, {outputs}) but got {got}."
                )
            return raw, target.long()
        raw = raw.unsqueeze(1) if raw.ndim == 1 else raw
        target = target.unsqueeze(1) if target.ndim == 1 else target
        if raw.ndim != 2 or raw.shape[1] != outputs or target.shape != raw.shape:
            raise ValueError(f"both must be (batch, {outputs}) but got {got}.")
        return raw, target.squeeze(1) if self.problem.kind == "binary" else target.to(raw.dtype)
