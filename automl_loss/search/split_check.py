"""Check the problem and the rows that a task gives: types, shapes, bounds and finiteness, before any work is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from automl_loss.losses.problem import Kind, Problem
from automl_loss.plugins.task import Inputs, Split
from automl_loss.search.identity import short
from automl_loss.search.numbers import Refused, integer

_LARGEST = float(np.finfo(np.float32).max)
_BLOCK = 4096
_SAMPLE = 64
_TASK_LOSSES = {"multiclass": "cross_entropy", "binary": "binary_cross_entropy", "regression": "mse"}


def checked_problem(problem: Any) -> Problem:
    """Return the problem with Python's numbers and tuples.

    Raises:
        Refused: it is no problem, or a part of it is of another type or does not fit the others.
    """
    if not isinstance(problem, Problem):
        raise Refused(f"problem {short(problem)}; give an automl_loss.Problem")
    if problem.kind not in get_args(Kind):
        raise Refused(f"a problem of kind {short(problem.kind)}; known are {', '.join(get_args(Kind))}")
    shape = problem.input_shape
    if not isinstance(shape, tuple | list):
        raise Refused(
            f"a problem with input_shape = {short(shape)}; give a tuple such as (4,) or (3, 32, 32)"
        )
    sizes = tuple(integer(size, "a problem whose input_shape holds", least=1) for size in shape)
    outputs = integer(problem.output_dim, "a problem with output_dim", least=1)
    if (problem.kind == "binary" and outputs != 1) or (problem.kind == "multiclass" and outputs < 2):
        raise Refused(
            f"a {problem.kind} problem with output_dim {outputs}; binary has 1 output, a logit, and multiclass one for "
            f"each class: `Problem.classification` sets it"
        )
    if problem.task_loss != _TASK_LOSSES[problem.kind]:
        raise Refused(
            f"a {problem.kind} problem with task_loss {short(problem.task_loss)}; give {_TASK_LOSSES[problem.kind]!r}"
        )
    if not isinstance(problem.metric, str):
        raise Refused(
            f"a problem with metric {short(problem.metric)}; give a metric's name, or 'module:function'"
        )
    same = (
        type(shape) is tuple and all(type(size) is int for size in shape) and type(problem.output_dim) is int
    )
    return problem if same else replace(problem, input_shape=sizes, output_dim=outputs)


class NotFinite(Refused):
    """Rows that are sound but for a value that is not finite.

    Args:
        said: which value.
        split: the rows.
    """

    def __init__(self, said: str, split: Split) -> None:
        super().__init__(said)
        self.split = split


def checked_split(split: Any, problem: Problem, part: str) -> Split:
    """Return a split as numpy arrays, or `Inputs`; the same object where it is so already.

    Args:
        split: what the task gave.
        problem: what it states.
        part: `training`, `validation` or `test`.

    Raises:
        NotFinite: a value of it is not finite, and else it is sound.
        Refused: it is no split, or its rows are not as the problem states them.
    """
    if not isinstance(split, Split):
        raise Refused(f"{short(split)} as {part} rows; give an automl_loss.Split(x, y)")
    x: Any = split.x if _is_inputs(split.x) else _array(split.x, f"{part} inputs")
    y = _array(split.y, f"{part} targets")
    shape = tuple(x.shape)
    if shape[1:] != problem.input_shape or not shape:
        raise Refused(
            f"{part} inputs of shape {shape}; its problem says (rows, {_listed(problem.input_shape)})"
        )
    if len(x) != len(y) if y.ndim else True:
        raise Refused(f"{len(x)} {part} inputs and targets of shape {y.shape}; give as many of each")
    if not len(y):
        raise Refused(f"no {part} rows; give at least one")
    y = _targets(y, problem, part)
    sound = split if x is split.x and y is split.y else Split(x, y)
    said = _not_finite(_sample(x, problem, part) if _is_inputs(x) else x, f"{part} inputs")
    said = said or _not_finite(y, f"{part} targets")
    if said:
        raise NotFinite(said, sound)
    return sound


def _is_inputs(x: Any) -> bool:
    return isinstance(x, Inputs)


def _array(values: Any, what: str) -> npt.NDArray[Any]:
    """Return an array of numbers; tensors are converted."""
    if type(values).__module__.partition(".")[0] == "torch":
        values = _of_tensor(values, what)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise Refused(
            f"{what} that are a masked array with masked values; leave out those rows, or fill them in"
        )
    if not isinstance(values, np.ndarray):
        raise Refused(f"{what} that are a {type(values).__name__}; give a numpy array: `np.asarray(...)`")
    if values.dtype.kind not in "fiub":
        raise Refused(f"{what} of dtype {values.dtype}; give an array of real numbers")
    return values


def _of_tensor(values: Any, what: str) -> Any:
    import torch

    if not isinstance(values, torch.Tensor):
        return values
    if values.requires_grad:
        raise Refused(
            f"{what} that require gradients; give `.detach()` of them: rows are data, and not trained"
        )
    if values.layout != torch.strided or values.is_complex() or values.device.type == "meta":
        raise Refused(
            f"{what} that are a {values.layout} {values.dtype} tensor on {values.device}; give a numpy array"
        )
    return (values.float() if values.dtype == torch.bfloat16 else values).cpu().numpy()


def _targets(y: npt.NDArray[Any], problem: Problem, part: str) -> npt.NDArray[Any]:
    if not problem.is_classification:
        if y.shape[1:] != (problem.output_dim,):
            raise Refused(f"{part} targets of shape {y.shape}; give (rows, {problem.output_dim})")
        return y
    if y.dtype.kind == "f":
        raise Refused(f"{part} targets of dtype {y.dtype}; give class indices: `.astype(np.int64)`")
    if y.ndim != 1:
        raise Refused(f"{part} targets of shape {y.shape}; give (rows,) class indices")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= problem.classes:
        row = int(np.flatnonzero((y < 0) | (y >= problem.classes))[0])
        raise Refused(
            f"{part} targets from {low} to {high}, {int(y[row])} in row {row}; give class indices from 0 to "
            f"{problem.classes - 1}"
        )
    return y.astype(np.int64) if y.dtype.kind == "b" or y.dtype == np.uint64 else y


def _not_finite(values: npt.NDArray[Any], what: str) -> str:
    """Say which value is not finite as float32, looking block by block; empty where all are."""
    if values.dtype.kind != "f":
        return ""
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        with np.errstate(invalid="ignore"):
            good = np.abs(block) <= _LARGEST
        if good.all():
            continue
        place = np.argwhere(~good)[0]
        value = block[tuple(place)]
        column = f", column {_listed(place[1:])}" if len(place) > 1 else ""
        return f"{what} that are not finite as float32: {value} in row {start + int(place[0])}{column}"
    return ""


def _sample(x: Any, problem: Problem, part: str) -> npt.NDArray[Any]:
    """Return the first rows of `Inputs`, prepared as networks see them."""
    import torch

    rows = x[: min(_SAMPLE, len(x))]
    stored = torch.as_tensor(rows.stored)
    prepared: Any = x.prepare(stored, torch.float32)
    if not isinstance(prepared, torch.Tensor):
        raise Refused(f"{part} inputs whose `prepare` returns {short(prepared)}; give a tensor")
    if tuple(prepared.shape) != (len(stored), *problem.input_shape) or prepared.dtype != torch.float32:
        raise Refused(
            f"{part} inputs that `prepare` turns into {prepared.dtype} of shape {tuple(prepared.shape)}; give "
            f"torch.float32 of shape {(len(stored), *problem.input_shape)}"
        )
    if prepared.requires_grad:
        raise Refused(
            f"{part} inputs whose `prepare` returns a tensor that requires gradients; give `.detach()` of it"
        )
    found: npt.NDArray[Any] = prepared.cpu().numpy()
    return found


def _listed(sizes: Any) -> str:
    return ", ".join(str(int(size)) for size in sizes)
