"""Rows that splits have in common: a few by chance, or the same rows twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_loss import Problem, Split, Splits, Task
from automl_loss.plugins.loading import Registry
from automl_loss.search.leakage import Common, look


class Given(Task):
    """Rows that are handed over."""

    def __init__(self, *parts: Split) -> None:
        super().__init__(None)
        self.parts = parts

    def problem(self) -> Problem:
        return Problem.classification((2,), 2)

    def splits(self, seed: int) -> Splits:
        return Splits(*self.parts[:2])

    def test(self, seed: int) -> Split:
        return self.parts[2]


def split(values: Any) -> Split:
    x = np.asarray(values, dtype=np.float32)
    return Split(np.stack([x, -x], axis=1), np.zeros(len(x), np.int64))


def brute(earlier: Split, later: Split) -> int:
    return sum(
        any(np.array_equal(row, other) and y == z for other, z in zip(earlier.x, earlier.y, strict=True))
        for row, y in zip(later.x, later.y, strict=True)
    )


def lists(least: int = 1) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 8), min_size=least, max_size=12)


@settings(max_examples=60, deadline=None)
@given(lists(), lists(), lists())
def test_counts_are_those_of_comparing_every_row_with_every_other(
    one: list[int], two: list[int], three: list[int]
) -> None:
    parts = [split(values) for values in (one, two, three)]
    found = [common.count for common in look(Given(*parts), 0)]
    assert found == [brute(parts[a], parts[b]) for a, b in ((0, 1), (0, 2), (1, 2))]


def test_equal_inputs_with_another_target_are_other_rows() -> None:
    one = split(range(9))
    other = Split(one.x, 1 - one.y)
    assert [common.count for common in look(Given(one, other, split([50.0])), 0)] == [0, 0, 0]


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_rows_are_compared_as_networks_see_them(dtype: Any) -> None:
    one = split(range(9))
    same = Split(one.x.astype(dtype), one.y.astype(np.int32))
    assert look(Given(one, same, split([50.0])), 0)[0].refused


@pytest.mark.parametrize(
    ("count", "rows", "expected", "refused", "told"),
    [
        (40, 40, 0.0, True, True),
        (10, 40, 0.0, True, True),
        (2, 40, 0.0, False, True),
        (0, 40, 0.0, False, False),
        (1, 1, 0.0, True, True),
        (2, 10, 0.0, False, True),
        (38, 40, 0.95, False, False),
        (40, 40, 1.0, False, False),
        (30, 40, 0.3, True, True),
        (12, 40, 0.3, False, False),
    ],
)
def test_more_than_chance_is_refused_and_a_few_are_told(
    count: int, rows: int, expected: float, refused: bool, told: bool
) -> None:
    common = Common("training", "test", count, rows, expected)
    assert (common.refused, common.worth_telling) == (refused, told)


@pytest.mark.parametrize("name", ["digits", "wine", "breast-cancer", "diabetes"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shipped_tasks_share_no_more_rows_than_chance(name: str, seed: int) -> None:
    registry = Registry()
    names = {plugin.name for plugin in registry.plugins("task")}
    if name not in names:
        name = "iris" if "iris" in names else "digits"
    task = registry.load("task", name).cls(registry.config("task", name, {}))
    assert not any(common.refused for common in look(task, seed))


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_few_values_that_are_cut_at_random_are_not_refused(seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 30, 200)
    assert not any(
        c.refused for c in look(Given(split(rows[:120]), split(rows[120:160]), split(rows[160:])), 0)
    )
