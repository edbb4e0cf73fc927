"""Check a task's training and validation rows before anything is trained: enough of them, and numbers that fit.

A value that the engine's dtype cannot hold would make every network diverge, hours later and under another name.
Test rows are not looked at here: a metric that is not finite on them is a part of the verdict.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from automl_loss.errors import DataError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.task import Splits

_BLOCK = 2**20
FEWEST_TRAINING_ROWS = 2


def check_splits(splits: Splits, problem: Problem, task: str, dtype: str, validation_rows: int = 1) -> None:
    """Check what a task gave.

    Args:
        splits: training and validation rows, before they are corrupted.
        problem: the task's problem.
        task: name of the task, for messages.
        dtype: of the engine: `float32`, `float64`.
        validation_rows: the fewest validation rows that are needed.

    Raises:
        DataError: there are too few rows, training rows of one class or of constant targets, or a value that is not
            finite in the engine's dtype.
    """
    for part, split, fewest in (
        ("training", splits.train, FEWEST_TRAINING_ROWS),
        ("validation", splits.validation, validation_rows),
    ):
        if len(split) < fewest:
            raise DataError(
                f"task {task}: {len(split)} {part} row(s), and at least {fewest} are needed; give the task more rows."
            )
        stored = getattr(split.x, "stored", split.x)
        _check_numbers(np.asarray(stored), f"task {task}: inputs", part, dtype)
        if not problem.is_classification:
            _check_numbers(np.asarray(split.y), f"task {task}: targets", part, dtype)
    _check_varied(np.asarray(splits.train.y), problem, task)


def _check_varied(targets: npt.NDArray[Any], problem: Problem, task: str) -> None:
    """Raise where training targets are all the same."""
    if not bool((targets == targets[:1]).all()):
        return
    shown = ", ".join(f"{value:g}" for value in np.ravel(targets[0])[:5])
    if problem.is_classification:
        raise DataError(
            f"task {task}: all {len(targets):,} training rows are of class {shown}, so there is nothing to learn; give "
            f"rows of {problem.classes} classes, or of at least two."
        )
    raise DataError(
        f"task {task}: the targets of all {len(targets):,} training rows are {shown} (after scaling), so there is "
        f"nothing to learn; give rows of different targets."
    )


def _check_numbers(values: npt.NDArray[Any], what: str, part: str, dtype: str) -> None:
    """Raise for the first value of `(rows, ...)` numbers that is not finite in a dtype."""
    if values.dtype.kind not in "fc" or not values.size:
        return
    most = min(float(np.finfo(kind).max) for kind in (dtype, values.dtype))
    rows = max(1, _BLOCK // max(1, values[0].size))
    for start in range(0, len(values), rows):
        block = values[start : start + rows]
        fits = np.abs(block) <= most  # NaN does not fit, either
        if bool(fits.all()):
            continue
        place = tuple(int(index) for index in np.argwhere(~fits)[0])
        raise DataError(
            f"{what} of {part} row {start + place[0] + 1:,}, {_column(place[1:])}, are {block[place]:g}; expected "
            f"finite numbers up to {most:.3g}, which is what {dtype} holds. "
            f"Mend or scale the value, or leave the row out."
        )


def _column(place: tuple[int, ...]) -> str:
    """Name a place within a row, counted from 1."""
    if not place:
        return "the only column"
    if len(place) == 1:
        return f"column {place[0] + 1:,}"
    return f"place {', '.join(f'{index + 1:,}' for index in place)}"
