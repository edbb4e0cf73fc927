"""Convert a data frame's columns to features, by scikit-learn's transformers."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from autoloss_tasks._numbers import MOST_NUMBER
from autoloss_tasks._splitting import Array
from automl_loss import RecipeError

if TYPE_CHECKING:
    import polars

_MOST_CATEGORIES = 1000
_FEW = 20


def check_columns(frame: polars.DataFrame, names: Iterable[str], key: str) -> None:
    """Check that names are columns of the frame.

    Raises:
        RecipeError: a name is not; the message gives the nearest name, or all names.
    """
    for name in names:
        if name not in frame.columns:
            close = get_close_matches(name, frame.columns, n=1)
            shown = ", ".join(map(repr, frame.columns[:_FEW]))
            more = f" and {len(frame.columns) - _FEW} more" if len(frame.columns) > _FEW else ""
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {shown}{more}."
            raise RecipeError(f"task.{key}: no column {name!r}. {hint}")


def numbers_of(frame: polars.DataFrame, categorical: Iterable[str]) -> tuple[Array, dict[int, int]]:
    """Convert all columns to numbers, categories numbered in the order of their values.

    Args:
        frame: the feature columns.
        categorical: numeric columns that are to be categories; text columns always are.

    Returns:
        `(rows, columns)` float64, NaN where a value is missing; and the number of categories by index of each
        categorical column.

    Raises:
        RecipeError: a column is of a type that cannot be a feature, contains infinite numbers, or has nearly one
            category for each row.
    """
    import polars

    named = set(categorical)
    columns, categories = [], {}
    for place, series in enumerate(frame.iter_columns()):
        text = series.dtype in (polars.String, polars.Categorical, polars.Enum)
        if not (text or series.dtype.is_numeric() or series.dtype in (polars.Boolean, polars.Null)):
            raise RecipeError(
                f"task.drop: column {series.name!r} is of type {series.dtype}, which is no feature; list it "
                f"under `drop`, or make it numbers or text in the file."
            )
        if text or series.name in named:
            values = series.cast(polars.String).to_numpy()
            given = np.array([value is not None for value in values], dtype=bool)
            known, codes = np.unique(values[given].astype(str), return_inverse=True)
            if len(known) > _MOST_CATEGORIES or len(known) > max(_FEW, frame.height / 2):
                raise RecipeError(
                    f"task.drop: column {series.name!r} has {len(known):,} different texts in {frame.height:,} "
                    f"rows, more than categories have; list it under `drop`, or make it numbers in the file."
                )
            column = np.full(len(values), np.nan)
            column[given] = codes
            categories[place] = max(1, len(known))
        else:
            column = series.cast(polars.Float64).fill_null(np.nan).to_numpy()
            check_numbers(column, series.name, "task.drop", "mend them in the file, or list it under `drop`")
        columns.append(column)
    return np.column_stack(columns), categories


def check_numbers(values: Array, name: str, key: str, remedy: str) -> None:
    """Check that the numbers of a column can be computed with; NaN passes.

    Raises:
        RecipeError: one is infinite or huge; the message names column, row (counted from 1) and value.
    """
    for wrong, what in (
        (np.isinf(values), "infinite numbers"),
        (np.abs(values) > MOST_NUMBER, "huge numbers"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            raise RecipeError(
                f"{key}: column {name!r} holds {what}, {values[row]:g} in row {row + 1:,}; numbers up to "
                f"{MOST_NUMBER:g} are accepted: {remedy}."
            )


def encode(features: Array, rows: Array, train: Array, categories: dict[int, int]) -> Array:
    """Impute numeric columns by the median and standardise them; impute categories by the most frequent, one-hot.

    All is fitted on the training rows alone. A category that they lack is a row of zeros; the columns that are
    left over stay zero, so that the width is the same whatever the split.

    Args:
        features: `(all rows, columns)`, as `numbers_of` gives them.
        rows: `(n,)` row numbers to encode.
        train: row numbers to fit on.
        categories: number of categories by column index.

    Returns:
        `(n, numeric columns + categories)` float64.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [place for place in range(features.shape[1]) if place not in categories]
    by_median = SimpleImputer(strategy="median", keep_empty_features=True)
    by_mode = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    transformer = ColumnTransformer(
        [
            ("numeric", make_pipeline(by_median, StandardScaler()), numeric),
            ("categorical", make_pipeline(by_mode, one_hot), list(categories)),
        ]
    ).fit(features[train])
    encoded: Array = transformer.transform(features[rows])
    width = len(numeric) + sum(categories.values())
    return np.pad(encoded, ((0, 0), (0, width - encoded.shape[1])))
