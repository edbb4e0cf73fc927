"""Turn a loss into a `torch.nn.Module`: `render_module` writes a standalone file, `build_module` an object."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from automl_loss.errors import PluginError
from automl_loss.losses.base import Loss
from automl_loss.losses.formula import formula
from automl_loss.losses.problem import Problem
from automl_loss.losses.source import docstring, fault_of_module, is_class_name, number_source, whole_source

if TYPE_CHECKING:
    from torch import nn

_FILE = '''"""A loss function found by automl-loss. This file needs torch and nothing else.

{about}

Use it in place of your loss, on the raw outputs of your model (before softmax or sigmoid):

    criterion = {name}()
    criterion(model(x), target).backward()
"""

import torch


class {name}(torch.nn.Module):
    """Drop-in loss: `forward(raw_output, target, reduction="mean")`."""

    scale = {scale}

    def forward(self, raw_output, target, reduction="mean"):
        """Loss of a batch.

        Args:
            raw_output: {raw_shape}.
            target: {target_shape}.
            reduction: "mean" or "sum" over the batch, or "none" for one value per sample.
        """
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none' but got {{reduction!r}}.")
{check}
        values = self._values(raw_output, target)
        per_sample = self.scale * values.reshape(len(values), -1).sum(dim=1)
        return per_sample if reduction == "none" else getattr(per_sample, reduction)()

    @staticmethod
    def _values(raw_output, target):
        """The loss before scale and reduction."""
{body}
'''

_RAW_SHAPE = {
    "multiclass": "`(batch, {outputs})` float tensor, one raw output per class",
    "binary": "`(batch, 1)` or `(batch,)` float tensor, one logit per sample",
    "regression": "`(batch, {outputs})` float tensor",
}
_TARGET_SHAPE = {
    "multiclass": "`(batch,)` class indices, or `(batch, {outputs})` one-hot",
    "binary": "0 or 1, of shape `(batch,)` or `(batch, 1)`",
    "regression": "of the same shape, standardised as it was in the search",
}
_SHAPES = """\
shapes = f"raw_output of shape {tuple(raw_output.shape)} and target of shape {tuple(target.shape)}"
"""
_CHECK = {
    "multiclass": """\
if raw_output.ndim == 2 and target.shape == raw_output.shape:
    target = target.argmax(dim=1)
if raw_output.ndim != 2 or raw_output.shape[1] != {outputs} or target.shape != raw_output.shape[:1]:
    raise ValueError(f"expected (batch, {outputs}) and (batch,) or (batch, {outputs}) but got {{shapes}}.")
target = target.long()""",
    "other": """\
if raw_output.ndim == 1:
    raw_output = raw_output.unsqueeze(1)
if target.ndim == 1:
    target = target.unsqueeze(1)
if raw_output.ndim != 2 or raw_output.shape[1] != {outputs} or target.shape != raw_output.shape:
    raise ValueError(f"both must be (batch, {outputs}) but got {{shapes}}.")
target = target.to(raw_output.dtype)""",
}
_INPUTS = {
    "multiclass": """\
prediction = torch.softmax(raw_output, dim=1)
target = torch.nn.functional.one_hot(target, {outputs}).to(prediction.dtype)""",
    "binary": "prediction = torch.sigmoid(raw_output)",
    "regression": "prediction = raw_output",
}
_MEANING = {
    "multiclass": "f is the softmax probability of a class, y is 1 if it is the target's and else 0; "
    "L is summed over classes.",
    "binary": "f is the sigmoid of the raw output and y the target, 0 or 1.",
    "regression": "f is the output and y the target, both standardised; L is summed over outputs.",
}


def render_module(loss: Loss, problem: Problem, name: str = "LearnedLoss", origin: str = "") -> str:
    """Write the text of a Python module with one class, which imports torch alone.

    Texts, the loss's key and `origin`, stand in the docstring alone, as escapes where they are not plain characters.

    Args:
        loss: its weights and scale are written into the text.
        problem: gives the kind and the number of raw outputs.
        name: the class's name.
        origin: how the loss was found, in plain words, for the docstring.

    Raises:
        ValueError: the name is no name for a class, the kind of problem is unknown, or the scale, a weight or the
            number of outputs is not a finite number.
        ExpressionError: a weight or a primitive cannot be written as Python.
        PluginError: the loss's `to_source` is not the body of a function.
    """
    elementwise = loss.space == "prediction"
    kind, outputs = problem.kind, whole_source(problem.output_dim, "output_dim")
    if kind not in _MEANING:
        raise ValueError(f"the kind of a problem is one of {', '.join(_MEANING)}, but got {kind!r}.")
    if not is_class_name(name):
        raise ValueError(f"{name!r} is no name for the class; use letters and digits, as in LearnedLoss.")
    meaning = _MEANING[kind] if elementwise else "It works on raw outputs by torch's own functions."
    factor = number_source(loss.scale, "scale")
    scale = f"The scale {float(factor):.6g} multiplies it."
    about = [formula(loss), *(textwrap.fill(part, 110) for part in (f"{meaning} {scale}", origin) if part)]
    inputs = _INPUTS[kind].format(outputs=outputs) if elementwise else "prediction = raw_output"
    check = _SHAPES + _CHECK.get(kind, _CHECK["other"]).format(outputs=outputs)
    text = _FILE.format(
        name=name,
        about=docstring("\n\n".join(about)),
        scale=factor,
        raw_shape=_RAW_SHAPE[kind].format(outputs=outputs),
        target_shape=_TARGET_SHAPE[kind].format(outputs=outputs),
        check=textwrap.indent(check, " " * 8),
        body=textwrap.indent(f"{inputs}\n{loss.to_source()}", " " * 8),
    )
    fault = fault_of_module(text, name)
    if fault is not None:
        raise PluginError(
            f"loss {formula(loss)}: `{type(loss).__name__}.to_source` is not the body of a Python function: {fault}. "
            f"It must return lines of Python that use `prediction`, `target` and `torch`, and return the value."
        )
    return text


def build_module(loss: Loss, problem: Problem) -> nn.Module:
    """Return a `LearnedLoss`, a module with `forward(raw_output, target, reduction="mean")`."""
    from automl_loss.losses.learned_loss import LearnedLoss

    return LearnedLoss(loss, problem)
