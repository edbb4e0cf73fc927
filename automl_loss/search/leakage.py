"""Find rows of one split that are rows of another.

A loss that is judged on rows it was trained on is judged on nothing.

Rows are compared by digests of their inputs and targets. Test rows are digested in `look`, before the search; it gives
out counts alone, and nothing else of a test row is reached before retraining.

Real data hold some rows twice, so that a few rows in common are no fault. The training rows say how many to expect:
where rows are drawn at random, a validation row equals a training row as often as a training row equals another one.
With p that share among the earlier split's own rows and n rows in the later split, the task is refused when the share
in common is above p + 0.1 + 3 sqrt(p (1 - p) / n), and a notice is given above p + 0.02 + 2 sqrt(p (1 - p) / n).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from automl_loss.plugins.task import Split, Task

_BLOCK = 4096
_MARGINS = {"refuse": (0.1, 3.0), "tell": (0.02, 2.0)}
_LEAST = 3
"""Rows in common below which a task is refused only where they are all of a split's rows."""


@dataclass(frozen=True)
class Common:
    """Rows that two splits have in common.

    Args:
        earlier: `training` or `validation`.
        later: `validation` or `test`.
        count: rows of the later split that equal a row of the earlier one.
        rows: of the later split.
        expected: share of the earlier split's rows that equal another of its rows.
    """

    earlier: str
    later: str
    count: int
    rows: int
    expected: float

    def _beyond(self, margin: str) -> bool:
        share, factor = _MARGINS[margin]
        spread = math.sqrt(self.expected * (1 - self.expected) / self.rows)
        return self.count / self.rows > self.expected + share + factor * spread

    @property
    def refused(self) -> bool:
        """Whether chance does not give so many."""
        return self._beyond("refuse") and (self.count >= _LEAST or self.count == self.rows)

    @property
    def worth_telling(self) -> bool:
        """Whether the user should know."""
        return self._beyond("tell")

    def __str__(self) -> str:
        return (
            f"{self.count} of {self.rows} {self.later} rows that are {self.earlier} rows, too, inputs and targets; "
            f"of the {self.earlier} rows themselves {self.expected:.1%} are there twice"
        )


def look(task: Task, seed: int) -> list[Common]:
    """Count the rows that each two splits of a task have in common.

    Args:
        task: whose splits are checked.
        seed: the split seed.
    """
    splits = task.splits(seed)
    prints = {
        "training": _prints(splits.train),
        "validation": _prints(splits.validation),
        "test": _prints(task.test(seed)),
    }
    return [_common(one, prints[one], other, prints[other]) for one, other in combinations(prints, 2)]


def _common(one: str, earlier: Counter[bytes], other: str, later: Counter[bytes]) -> Common:
    count = sum(times for row, times in later.items() if row in earlier)
    twice = sum(times for times in earlier.values() if times > 1)
    return Common(one, other, count, later.total(), twice / earlier.total())


def _prints(split: Split) -> Counter[bytes]:
    """Count the rows of each digest."""
    found: Counter[bytes] = Counter()
    for x, y in _blocks(split):
        for row, target in zip(x, y, strict=True):
            state = hashlib.blake2b(row, digest_size=16)
            state.update(target)
            found[state.digest()] += 1
    return found


def _blocks(split: Split) -> Iterator[tuple[Any, Any]]:
    """Yield rows of inputs and targets as bytes, block by block, in the type that networks see."""
    x: Any = split.x if isinstance(split.x, np.ndarray) else np.asarray(split.x.stored)
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        yield _bytes(x[part]), _bytes(split.y[part])


def _bytes(rows: Any) -> Any:
    wide = rows if rows.dtype == np.uint8 else rows.astype(np.float32 if rows.dtype.kind == "f" else np.int64)
    return np.ascontiguousarray(wide).reshape(len(rows), -1).view(np.uint8)
