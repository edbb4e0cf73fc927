"""Decide whether targets are classes or real numbers."""

from __future__ import annotations

from typing import Literal

import numpy as np

from autoloss_tasks._splitting import Array

Kind = Literal["auto", "classification", "regression"]

_MOST_CLASSES = 20


def is_regression(values: Array) -> tuple[bool, str]:
    """Return whether targets are real numbers, and the reason as text.

    Text, truth values and whole numbers of at most 20 different values are classes; several columns, and all
    other numbers, are real targets.

    Args:
        values: `(rows,)` or `(rows, outputs)` targets, none missing.

    Example:
        >>> is_regression(np.array(["cat", "dog"]))
        (False, 'text')
        >>> is_regression(np.array([0.5, 1.0]))
        (True, 'numbers with fractions')
    """
    if values.ndim > 1 and values.shape[1] > 1:
        return True, f"{values.shape[1]} columns"
    if values.dtype.kind not in "iuf":
        return False, "truth values" if values.dtype.kind == "b" else "text"
    distinct = len(np.unique(values))
    if not (values == np.round(values)).all():
        return True, "numbers with fractions"
    return distinct > _MOST_CLASSES, f"{distinct} different whole numbers"
