"""A loss as a `torch.nn.Module`: standing alone as text, or in this process."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from automl_loss.losses.base import Loss
from automl_loss.losses.formula import formula
from automl_loss.losses.inputs import prepare
from automl_loss.losses.problem import Kind, Problem

if TYPE_CHECKING:
    from torch import Tensor, nn

_TEMPLATE = '''"""A loss function found by automl-loss. It needs torch and nothing else.

    {formula}

{meaning}{origin}

Use it in place of your loss, on the raw outputs of your model (before softmax or sigmoid):

    criterion = {name}()
    criterion(model(x), target).backward()
"""

import torch


class {name}(torch.nn.Module):
    """Drop-in loss: `forward(raw_output, target, reduction="mean")`."""

    scale = {scale!r}

    def forward(self, raw_output, target, reduction="mean"):
        """Loss of a batch.

        Args:
            raw_output: {raw_shape}
            target: {target_shape}
            reduction: "mean" or "sum" over the batch, or "none" for one value per sample.
        """
{check}
        values = self.values(raw_output, target)
        per_sample = self.scale * values.reshape(len(values), -1).sum(dim=1)
        if reduction == "mean":
            return per_sample.mean()
        if reduction == "sum":
            return per_sample.sum()
        if reduction == "none":
            return per_sample
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none' but got {{reduction!r}}")

    @staticmethod
    def values(raw_output, target):
        """Unscaled loss, before any reduction."""
{body}
'''

_RAW_SHAPE = {
    "multiclass": "`(batch, {outputs})` float tensor, one raw output per class.",
    "binary": "`(batch, 1)` or `(batch,)` float tensor, one logit.",
    "regression": "`(batch, {outputs})` float tensor{also}.",
}
_TARGET_SHAPE = {
    "multiclass": "`(batch,)` class indices, or `(batch, {outputs})` one-hot.",
    "binary": "0 or 1, of shape `(batch,)` or `(batch, 1)`.",
    "regression": "of the same shape as the output, standardised as in the search.",
}
_CHECK = {
    "multiclass": """\
if raw_output.ndim != 2 or raw_output.shape[1] != {outputs}:
    raise ValueError(f"raw_output must be (batch, {outputs}) but is {{tuple(raw_output.shape)}}")
if target.shape == raw_output.shape:
    target = target.argmax(dim=1)
if target.shape != raw_output.shape[:1]:
    raise ValueError(f"target must be (batch,) indices or one-hot but is {{tuple(target.shape)}}")
target = target.long()""",
    "binary": """\
raw_output = raw_output.reshape(len(raw_output), -1)
target = target.reshape(len(target), -1)
if raw_output.shape[1] != 1 or target.shape != raw_output.shape:
    raise ValueError(f"expected (batch, 1) logits and targets but got {{tuple(raw_output.shape)}}, {{tuple(target.shape)}}")
target = target[:, 0].long()""",
    "regression": """\
raw_output = raw_output.reshape(len(raw_output), -1)
target = target.reshape(len(target), -1)
if raw_output.shape[1] != {outputs} or target.shape != raw_output.shape:
    raise ValueError(f"expected (batch, {outputs}) outputs and targets but got {{tuple(raw_output.shape)}}, {{tuple(target.shape)}}")
target = target.to(raw_output.dtype)""",
}
_INPUTS = {
    "multiclass": """\
f = torch.softmax(raw_output, dim=1)
y = torch.nn.functional.one_hot(target, {outputs}).to(f.dtype)""",
    "binary": """\
f = torch.sigmoid(raw_output)
y = target.unsqueeze(1).to(f.dtype)""",
    "regression": "f, y = raw_output, target",
}
_MEANING = {
    "multiclass": "per class and summed over classes, with f the softmax probability and y the one-hot target",
    "binary": "with f the sigmoid probability and y the target, 0 or 1",
    "regression": "summed over outputs, with f the output and y the target, both standardised",
}


def render_module(loss: Loss, problem: Problem, name: str = "LearnedLoss", origin: str = "") -> str:
    """Text of a Python module with one class, which imports torch alone.

    Args:
        loss: its weights and scale are folded in.
        problem: whose raw outputs and targets it takes.
        name: of the class.
        origin: how it was found, a sentence for its docstring.
    """
    outputs = {"outputs": problem.output_dim, "also": " or `(batch,)`" if problem.output_dim == 1 else ""}
    if loss.space == "prediction":
        body = f"{_INPUTS[problem.kind].format(**outputs)}\n{loss.to_source()}"
    else:
        body = f"prediction = raw_output\n{loss.to_source()}"
    return _TEMPLATE.format(
        name=name,
        formula=formula(loss),
        meaning=f"{_MEANING[problem.kind]}." if loss.space == "prediction" else "On raw outputs.",
        origin="\n\n" + textwrap.fill(origin, 110) if origin else "",
        scale=loss.scale,
        raw_shape=_RAW_SHAPE[problem.kind].format(**outputs),
        target_shape=_TARGET_SHAPE[problem.kind].format(**outputs),
        check=textwrap.indent(_CHECK[problem.kind].format(**outputs), " " * 8),
        body=textwrap.indent(body, " " * 8),
    )


def build_module(loss: Loss, problem: Problem) -> nn.Module:
    """The same as a module of this process.

    Returns:
        A module with `forward(raw_output, target, reduction="mean")`.
    """
    import torch

    class LearnedLoss(torch.nn.Module):
        """A found loss, on raw outputs."""

        def forward(self, raw_output: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
            raw, labels = _targets(raw_output, target, problem.kind)
            if loss.space == "prediction":
                values = loss.value(*prepare(raw, labels, problem.kind, problem.output_dim))
            else:
                values = loss.value(raw, labels)
            per_sample = loss.scale * values.reshape(len(values), -1).sum(dim=1)
            if reduction not in ("mean", "sum", "none"):
                raise ValueError(f"reduction must be 'mean', 'sum' or 'none' but got {reduction!r}")
            return per_sample if reduction == "none" else getattr(per_sample, reduction)()

        def extra_repr(self) -> str:
            return formula(loss)

    return LearnedLoss()


def _targets(raw: Tensor, target: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    if kind == "multiclass":
        return raw, (target.argmax(dim=1) if target.shape == raw.shape else target).long()
    raw, target = raw.reshape(len(raw), -1), target.reshape(len(target), -1)
    if target.shape != raw.shape:
        raise ValueError(f"target has shape {tuple(target.shape)} and raw_output {tuple(raw.shape)}; expected equal")
    return raw, target[:, 0].long() if kind == "binary" else target.to(raw.dtype)
