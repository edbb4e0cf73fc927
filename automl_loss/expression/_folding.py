"""Evaluate constant subexpressions while an expression is brought into canonical form."""

from __future__ import annotations

import math
from collections.abc import Callable

from automl_loss.expression.vocabulary import EPSILON, EXPONENT_LIMIT

_DIGITS = 12
"""Constants are rounded to so many significant digits: the last ones depend on the order of operations."""

_LARGEST = 1e300


def rounded(value: float) -> float:
    """Round a folded constant; a value beyond the range of floats becomes the largest float."""
    return max(-_LARGEST, min(float(f"{value:.{_DIGITS}g}"), _LARGEST))


def applied(name: str, *values: float) -> float:
    """Evaluate a standard function, other than add, sub and mul, on constants."""
    return rounded(_NUMERIC[name](*values))


def _log(x: float) -> float:
    return math.log(abs(x) + EPSILON)


def _exp(x: float) -> float:
    return math.exp(min(x, EXPONENT_LIMIT))


_NUMERIC: dict[str, Callable[..., float]] = {
    "div": lambda a, b: a / math.hypot(1.0, b),
    "min": min,
    "max": max,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "square": lambda x: x * x,
    "abs": abs,
    "log": _log,
    "sqrt": lambda x: math.sqrt(abs(x) + EPSILON),
    "tanh": math.tanh,
    "exp": _exp,
    "sigmoid": lambda x: 1.0 / (1.0 + _exp(-x)),
    "power": lambda a, b: _exp(b * _log(a)),
}
