"""Make a task without its test rows, for developing methods: design choices must not depend on the test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from automl_loss.errors import DataError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.task import Split, Splits, Task
from automl_loss.seeds import generator

HELD_OUT = 0.25
"""Share of the training rows held out as validation: 60 training and 20 validation rows become 45 and 15."""


class DevelopmentTask(Task):
    """A task made of another task's training and validation rows.

    Its test rows are the other's validation rows; its validation rows are a part of the other's training rows,
    drawn by the seed, for classification from each class its share. The other's test rows are never asked for.
    Scalers stay fitted on all of the other's training rows.

    Args:
        whole: the other task.
    """

    def __init__(self, whole: Task) -> None:
        super().__init__(whole.config)
        self.folder = whole.folder
        self.drawn_afresh = whole.drawn_afresh  # type: ignore[misc]  # of this task alone
        self._whole = whole

    def problem(self) -> Problem:
        """Return the other task's problem."""
        return self._whole.problem()

    def splits(self, seed: int) -> Splits:
        """Split the other's training rows."""
        rows = self._whole.splits(seed).train
        labels = rows.y if self.problem().is_classification else np.zeros(len(rows), dtype=np.int64)
        held = held_out(labels, HELD_OUT, generator(seed, "development"))
        kept = np.setdiff1d(np.arange(len(rows)), held)
        return Splits(Split(rows.x[kept], rows.y[kept]), Split(rows.x[held], rows.y[held]))

    def test(self, seed: int) -> Split:
        """Return the other's validation rows."""
        return self._whole.splits(seed).validation

    def notices(self) -> list[str]:
        """Return the other's notices, and one that the test rows are not used."""
        return [
            *self._whole.notices(),
            "development: the test rows are left alone; the validation rows are judged on in their place, and a "
            "quarter of the training rows validates",
        ]


def held_out(labels: npt.NDArray[Any], share: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return sorted indices of a share of each label's rows, at least one row, or none of a label with a single row.

    Args:
        labels: `(rows,)`.
        share: share of rows to hold out, between 0 and 1.
        rng: draws the rows.

    Raises:
        DataError: no label has two rows.
    """
    parts = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        parts.append(rows[: min(len(rows) - 1, max(1, round(share * len(rows))))])
    held = np.sort(np.concatenate(parts))
    if not len(held):
        raise DataError(
            f"none of {len(labels)} training rows can be held out: every class has one row. Give more rows, or leave "
            f"out `task.development`."
        )
    return held.astype(np.int64)
