"""Find numbers that cannot be computed with: missing, infinite, or too large for their type."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

MOST_NUMBER = 1e140
"""Numbers up to so much have squares that float64 holds and can add up, for means and deviations."""
MOST_FLOAT32 = float(np.finfo(np.float32).max)


def first_unfit(values: npt.NDArray[Any], most: float) -> tuple[int, ...] | None:
    """Return the index of the first number that is not finite, or beyond `most`; `None` where all fit."""
    if values.dtype.kind != "f":
        return None
    fits = np.abs(values) <= min(most, float(np.finfo(values.dtype).max))  # NaN does not fit, either
    return None if bool(fits.all()) else tuple(int(index) for index in np.argwhere(~fits)[0])


def place_of(index: tuple[int, ...]) -> str:
    """Return row and column of an index, counted from 1.

    Example:
        >>> place_of((2, 0)), place_of((2,)), place_of((0, 1, 2))
        ('row 3, column 1', 'row 3', 'row 1, place (2, 3)')
    """
    row, within = f"row {index[0] + 1:,}", [each + 1 for each in index[1:]]
    if not within:
        return row
    return f"{row}, column {within[0]:,}" if len(within) == 1 else f"{row}, place {tuple(within)}"


def spread_of(reference: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the standard deviation of each column of `(rows, columns)`, 1 where it is constant or vanishes."""
    deviation = reference.std(0)
    constant = (reference.min(0) == reference.max(0)) | (deviation == 0)
    return np.where(constant, 1.0, deviation)
