from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import pytest

from autoloss_tasks.sklearn_tasks import Diabetes, Wine
from automl_loss.engine.data.development import DevelopmentTask, held_out
from automl_loss.errors import DataError
from automl_loss.plugins.task import Split, Task


def rows_of(split: Split) -> set[bytes]:
    x: Any = split.x
    return {row.tobytes() for row in np.ascontiguousarray(x)}


class Guarded(Wine):
    """Wine whose test rows must not be asked for."""

    def test(self, seed: int) -> NoReturn:
        raise AssertionError("the test rows were asked for")


@pytest.mark.parametrize("cls", [Guarded, Diabetes])
def test_a_task_in_development_is_made_of_the_other_s_training_and_validation_rows(cls: type[Task]) -> None:
    whole = cls(cls.Config())
    task, given = DevelopmentTask(whole), whole.splits(3)
    splits = task.splits(3)
    assert rows_of(splits.train).isdisjoint(rows_of(splits.validation))
    assert rows_of(splits.train) | rows_of(splits.validation) == rows_of(given.train)
    assert rows_of(task.test(3)) == rows_of(given.validation)
    assert len(splits.validation) == pytest.approx(len(given.train) / 4, abs=2)
    assert rows_of(task.splits(3).validation) == rows_of(splits.validation)
    assert rows_of(task.splits(4).validation) != rows_of(splits.validation)
    assert task.drawn_afresh is whole.drawn_afresh
    assert "test rows are left alone" in task.notices()[-1]


def test_each_class_gives_its_share_and_a_single_row_stays_in_training() -> None:
    labels = np.array([0] * 40 + [1] * 3 + [2])
    held = held_out(labels, 0.25, np.random.default_rng(0))
    assert np.bincount(labels[held], minlength=3).tolist() == [10, 1, 0]


def test_rows_that_cannot_be_held_out_are_refused() -> None:
    with pytest.raises(DataError, match="none of 2 training rows"):
        held_out(np.array([0, 1]), 0.25, np.random.default_rng(0))
