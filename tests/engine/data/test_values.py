"""Values and sizes that no network can be trained on are refused before anything is trained."""

from __future__ import annotations

import re

import numpy as np
import pytest

from automl_loss.engine.data.values import check_splits
from automl_loss.errors import DataError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.task import Split, Splits

REGRESSION, CLASSES = Problem.regression((3,)), Problem.classification((3,), 3)


def split(rows: int, problem: Problem = REGRESSION, dtype: str = "float64") -> Split:
    rng = np.random.default_rng(rows)
    y = rng.normal(size=(rows, 1)) if problem is REGRESSION else np.arange(rows) % 3
    return Split(rng.normal(size=(rows, 3)).astype(dtype), y)


def spoiled(part: str, where: str, place: tuple[int, ...], value: float) -> Splits:
    splits = Splits(split(10), split(6))
    array = getattr(getattr(splits, part), where)
    array[place] = value
    return splits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", [REGRESSION, CLASSES])
def test_sound_rows_pass(problem: Problem, dtype: str) -> None:
    check_splits(Splits(split(10, problem, dtype), split(1, problem, dtype)), problem, "Mine", dtype)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -3.5e38])
@pytest.mark.parametrize(
    ("part", "where", "place", "said"),
    [
        ("train", "x", (4, 2), "task Mine: inputs of training row 5, column 3, are"),
        ("validation", "x", (0, 0), "task Mine: inputs of validation row 1, column 1, are"),
        ("train", "y", (9, 0), "task Mine: targets of training row 10, column 1, are"),
        ("validation", "y", (5, 0), "task Mine: targets of validation row 6, column 1, are"),
    ],
)
def test_a_value_that_float32_cannot_hold_is_named_by_row_and_column(
    part: str, where: str, place: tuple[int, ...], said: str, value: float
) -> None:
    with pytest.raises(
        DataError, match=re.escape(f"{said} {value:g}; expected finite numbers up to 3.4e+38")
    ):
        check_splits(spoiled(part, where, place, value), REGRESSION, "Mine", "float32")


def test_what_float64_holds_passes_an_engine_of_float64() -> None:
    check_splits(spoiled("train", "x", (4, 2), 1e300), REGRESSION, "Mine", "float64")


def test_a_pixel_is_named_by_its_place() -> None:
    images = np.zeros((4, 1, 2, 2), np.float32)
    images[3, 0, 1, 0] = np.nan
    with pytest.raises(DataError, match=r"training row 4, place 1, 2, 1, are nan"):
        check_splits(Splits(Split(images, np.arange(4) % 3), split(3, CLASSES)), CLASSES, "Mine", "float32")


@pytest.mark.parametrize(
    ("train", "validation", "fewest", "said"),
    [
        (0, 5, 1, "0 training row(s), and at least 2 are needed"),
        (1, 5, 1, "1 training row(s), and at least 2 are needed"),
        (5, 0, 1, "0 validation row(s), and at least 1 are needed"),
        (5, 1, 2, "1 validation row(s), and at least 2 are needed"),
    ],
)
def test_too_few_rows_are_counted(train: int, validation: int, fewest: int, said: str) -> None:
    for problem in (REGRESSION, CLASSES):
        with pytest.raises(DataError, match=re.escape(said)):
            check_splits(
                Splits(split(train, problem), split(validation, problem)), problem, "Mine", "float32", fewest
            )


def test_one_class_or_a_constant_target_is_nothing_to_learn() -> None:
    only = Split(split(5).x, np.full(5, 2))
    with pytest.raises(DataError, match="all 5 training rows are of class 2, so there is nothing to learn"):
        check_splits(Splits(only, split(3, CLASSES)), CLASSES, "Mine", "float32")
    same = Split(split(5).x, np.full((5, 1), 0.5))
    with pytest.raises(DataError, match=r"targets of all 5 training rows are 0.5 .* nothing to learn"):
        check_splits(Splits(same, split(3)), REGRESSION, "Mine", "float32")
