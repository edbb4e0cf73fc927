"""Convert the data of a user's code, arrays or a torch data set, to two arrays."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np

from autoloss_tasks._numbers import MOST_FLOAT32, MOST_NUMBER, first_unfit, place_of
from autoloss_tasks.tabular import Array
from automl_loss import DataError, EvaluationError, RecipeError, import_object


def arrays_at(path: str, part: str, options: dict[str, Any], folder: Path | None) -> tuple[Array, Array]:
    """Load inputs and targets of the data set at an import path.

    Args:
        path: a function or class that returns them, called with `options`, and with `split=part` if it has a
            parameter of that name; or a torch data set itself.
        part: `train`, `validation` or `test`, a key of the recipe.
        options: keyword arguments from the recipe.
        folder: the recipe's folder.

    Returns:
        `(rows, *input_shape)` float32 or uint8 inputs, and `(rows,)` or `(rows, outputs)` targets.

    Raises:
        RecipeError: there is no such object, or it does not take the options.
        EvaluationError: it fails, or returns something else.
    """
    from torch.utils.data import Dataset

    found = import_object(path, folder, f"task.{part}")
    if not isinstance(found, Dataset):
        if not callable(found):
            raise RecipeError(
                f"task.{part}: {path!r} is a {type(found).__name__}; expected a function that gives inputs and "
                f"targets, or a torch.utils.data.Dataset."
            )
        found = _called(found, path, part, options)
    try:
        pair = _stacked(found) if isinstance(found, Dataset) else found
        inputs, targets = (_array(each) for each in pair)
    except Exception as error:  # getting a data set's items runs the user's own code
        raise EvaluationError(
            f"task.{part}: {path!r} gave no pair of inputs and targets: {type(error).__name__}: {error}. Return "
            f"two arrays or tensors, or a torch.utils.data.Dataset whose items are (input, target) of equal shapes."
        ) from error
    return _checked(inputs, targets, f"task.{part}: {path!r}")


def _called(found: Any, path: str, part: str, options: dict[str, Any]) -> Any:
    signature = inspect.signature(found)
    given = {**({"split": part} if "split" in signature.parameters else {}), **options}
    try:
        signature.bind(**given)
    except TypeError as error:
        raise RecipeError(
            f"task.options: {path!r} takes {signature} and was given {', '.join(given) or 'nothing'}: {error}."
        ) from error
    try:
        return found(**given)
    except Exception as error:
        raise EvaluationError(f"task.{part}: {path!r} failed: {type(error).__name__}: {error}") from error


def _stacked(data: Any) -> tuple[Array, Array]:
    """Stack all items of a map-style data set."""
    items = [data[i] for i in range(len(data))]
    return np.stack([_array(item[0]) for item in items]), np.stack([_array(item[1]) for item in items])


def _array(value: Any) -> Array:
    from torch import Tensor

    return np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)


def _checked(inputs: Array, targets: Array, origin: str) -> tuple[Array, Array]:
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if not inputs.ndim or not len(inputs) or len(inputs) != targets.shape[:1][0] or targets.ndim > 2:
        raise DataError(
            f"{origin} gave inputs of shape {inputs.shape} and targets of shape {targets.shape}; expected as many "
            f"of both, and targets (rows,) or (rows, outputs)."
        )
    if inputs.dtype.kind not in "iufb" or targets.dtype.kind not in "iufbUS":
        raise DataError(
            f"{origin} gave inputs of type {inputs.dtype} and targets of type {targets.dtype}; expected numbers, "
            f"and for targets numbers or text."
        )
    for what, values, most in (("inputs", inputs, MOST_FLOAT32), ("targets", targets, MOST_NUMBER)):
        if (wrong := first_unfit(values, most)) is not None:
            bad = ~(np.abs(values.reshape(len(values), -1)) <= most)
            raise DataError(
                f"{origin} gave {what} that are NaN, infinite or beyond {most:.3g} in {int(bad.any(1).sum()):,} of "
                f"{len(values):,} rows, the first {values[wrong]:g} in {place_of(wrong)}; fill them in, or leave these "
                f"rows out."
            )
    if inputs.ndim == 1:
        inputs = inputs[:, None]
    return (inputs if inputs.dtype == np.uint8 else inputs.astype(np.float32)), targets
