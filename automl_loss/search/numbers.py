"""Read the numbers that plugins give: numpy's scalars become Python's, and what is no number is refused.

A whole float counts as an integer where one is meant (ids, steps): arithmetic with numpy gives such floats. Booleans,
texts and tensors do not count: `True` is no id, and a tensor may hold a graph.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class Refused(Exception):
    """Something that a plugin gave is refused; the text goes on after `it gave ...`."""


def number(value: Any, what: str) -> float:
    """Return a Python number, finite or not; an integer stays one.

    Args:
        value: what the plugin gave.
        what: names it in the message.

    Raises:
        Refused: it is no number.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        remedy = "; take `.item()` of it" if type(value).__module__.startswith(("torch", "numpy")) else ""
        raise Refused(f"{what} {_shown(value)}, which is no number; give a float{remedy}")
    return value if type(value) in (int, float) else (int(value) if isinstance(value, int) else float(value))


def finite(value: Any, what: str, above: float = -math.inf, least: float = -math.inf) -> float:
    """Return a finite Python number within bounds.

    Args:
        value: what the plugin gave.
        what: names it in the message.
        above: it must be greater.
        least: it must be greater or equal.

    Raises:
        Refused: it is not.
    """
    found = number(value, what)
    if not math.isfinite(found) or found <= above or found < least:
        bound = (
            f" above {above:g}"
            if above > -math.inf
            else f" of at least {least:g}"
            if least > -math.inf
            else ""
        )
        raise Refused(f"{what} {found!r}; give a finite number{bound}")
    return found


def integer(value: Any, what: str, least: int = 0) -> int:
    """Return a Python integer; a whole float counts.

    Raises:
        Refused: it is none, or less than the least.
    """
    found = number(value, what)
    if not math.isfinite(found) or found != int(found) or found < least:
        raise Refused(f"{what} {found!r}; give an integer of at least {least}")
    return int(found)


def _shown(value: Any) -> str:
    from automl_loss.search.identity import short

    return short(value)
