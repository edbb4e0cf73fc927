"""Task `table`, the user's own CSV, Parquet or NPZ file."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from autoloss_tasks._columns import check_columns, check_numbers, encode, numbers_of
from autoloss_tasks._kind import Kind, is_regression
from autoloss_tasks._splitting import Array, hold_out
from autoloss_tasks._table_file import read_table
from autoloss_tasks.tabular import TabularTask
from automl_loss import PluginConfig, RecipeError

if TYPE_CHECKING:
    import polars

_SPLITS = {
    "train": 0,
    "training": 0,
    "validation": 1,
    "valid": 1,
    "val": 1,
    "dev": 1,
    "test": 2,
    "testing": 2,
}
_VALIDATION = 0.1
_FEWEST = 3


class Table(TabularTask):
    """Your own table: a CSV, Parquet or NPZ file with one or more target columns.

    Targets are recognised as classes or numbers by their values, which a notice reports; `kind` sets it explicitly.
    Missing features are filled by the median or the most frequent category, numbers standardised, categories
    one-hot encoded, all by the training rows alone. Rows are split by a column of the file, or by the seed into
    train 60 / validation 20 / test 20, stratified by class.
    """

    missing: ClassVar[bool] = True

    class Config(PluginConfig):
        """Options of the table."""

        file: str = Field(description=".csv, .tsv, .parquet or .npz, relative to the recipe")
        target: str | Annotated[tuple[str, ...], Field(strict=False)] = Field(
            description="column to predict, or several: a regression with several outputs"
        )
        kind: Kind = Field("auto", description="whether targets are classes or numbers")
        split: str | None = Field(
            None, description="column that says train, validation or test; null: split by the seed"
        )
        drop: tuple[str, ...] = Field(
            (), strict=False, description="columns that are no features, such as an id"
        )
        categorical: tuple[str, ...] = Field(
            (), strict=False, description="columns of numbers that are categories; text always is"
        )
        separator: str | None = Field(
            None,
            min_length=1,
            max_length=1,
            description="between the columns of a CSV file; null: by its name",
        )

    def load(self) -> tuple[Array, Array]:
        """Return features as numbers, categories numbered; and targets."""
        return self._features[0], self._targets

    @property
    def is_regression(self) -> bool:
        """Whether targets are real numbers: by `kind`, or by their values."""
        kind: Kind = self.config.kind
        return is_regression(self._targets)[0] if kind == "auto" else kind == "regression"

    @property
    def width(self) -> int:
        """Number of numeric columns plus number of categories."""
        features, categories = self._features
        return int(features.shape[1]) - len(categories) + sum(categories.values())

    def encode(self, rows: Array, train: Array) -> Array:
        """Return `(rows, width)` features, imputed, scaled and one-hot encoded by the training rows alone."""
        features, categories = self._features
        return encode(features, rows, train, categories)

    @property
    def _origin(self) -> str:
        return f"task.file: {self.config.file}"

    def _column_name(self, index: int) -> str:
        _, categories = self._features
        numeric = [name for place, name in enumerate(self._feature_names) if place not in categories]
        return f"column {numeric[index]!r}" if index < len(numeric) else "a category"

    def rows(self, seed: int) -> tuple[Array, Array, Array]:
        """Return sorted row numbers of the three splits, by the split column or by the seed."""
        if self.config.split is None:
            self._check_sizes()
            return super().rows(seed)
        places = self._places
        train, validation, test = (np.flatnonzero(places == which) for which in range(3))
        if not len(validation):
            labels = None if self.is_regression else self._table[1][train]
            train, validation = hold_out(train, _VALIDATION, seed, labels)
        self._check_training(train)
        return train, validation, test

    @property
    def exchangeable(self) -> bool:
        """True unless a split column names validation rows."""
        return self.config.split is None or not (self._places == 1).any()

    def notices(self) -> list[str]:
        """Return a sentence on how the target was interpreted."""
        if self.config.kind != "auto":
            return []
        regression, sign = is_regression(self._targets)
        here, other = ("regression", "classification") if regression else ("classification", "regression")
        classes = "" if regression else f", {len(np.unique(self._targets))} classes"
        return [
            f"target {', '.join(self._names)}: {sign}, so this is a {here}{classes}; `kind: {other}` would make it one."
        ]

    @cached_property
    def _names(self) -> tuple[str, ...]:
        target = self.config.target
        return (target,) if isinstance(target, str) else tuple(target)

    @cached_property
    def _frame(self) -> polars.DataFrame:
        config = self.config
        base = Path.cwd() if self.folder is None else self.folder
        frame = read_table(base / Path(config.file).expanduser(), config.separator)
        if not self._names:
            raise RecipeError("task.target: no column is named; name the one to predict.")
        check_columns(frame, self._names, "target")
        check_columns(frame, config.drop, "drop")
        check_columns(frame, config.categorical, "categorical")
        check_columns(frame, [] if config.split is None else [config.split], "split")
        return frame

    @cached_property
    def _feature_names(self) -> list[str]:
        config = self.config
        others = {*self._names, *config.drop, config.split}
        names = [name for name in self._frame.columns if name not in others]
        if not names:
            raise RecipeError(
                f"task.file: {config.file} has no columns beside the target; features are needed."
            )
        return names

    @cached_property
    def _features(self) -> tuple[Array, dict[int, int]]:
        return numbers_of(self._frame.select(self._feature_names), self.config.categorical)

    @cached_property
    def _targets(self) -> Array:
        """`(rows,)` values of one target, `(rows, targets)` numbers of several; none missing."""
        columns = [self._target(self._frame[name]) for name in self._names]
        if len(columns) == 1:
            return columns[0]
        if self.config.kind == "classification":
            raise RecipeError(
                f"task.kind: {len(columns)} targets are a regression; name one target for a classification."
            )
        return np.column_stack(columns)

    def _target(self, series: polars.Series) -> Array:
        import polars

        empty = series.is_null() | (series.is_nan() if series.dtype.is_float() else False)
        if empty.any():
            first = int(empty.arg_max() or 0) + 1
            raise RecipeError(
                f"task.target: column {series.name!r} is missing in {empty.sum():,} of {len(series):,} rows, the "
                f"first of them row {first:,}. Remove these rows, or fill them in."
            )
        plain = series.dtype.is_numeric() or series.dtype in (
            polars.String, polars.Categorical, polars.Enum, polars.Boolean, polars.Date, polars.Datetime, polars.Time
        )  # fmt: skip
        if not plain:
            raise RecipeError(
                f"task.target: column {series.name!r} is of type {series.dtype}; name a column of numbers, texts or "
                f"truth values."
            )
        if series.n_unique() == 1:
            raise RecipeError(
                f"task.target: column {series.name!r} is {series[0]!r} in all rows, so there is nothing to learn; "
                f"name another target."
            )
        if not series.dtype.is_numeric() and (len(self._names) > 1 or self.config.kind == "regression"):
            raise RecipeError(
                f"task.target: column {series.name!r} is of type {series.dtype}, and a regression needs numbers; "
                f"name another target, or set `kind: classification` for one alone."
            )
        if series.dtype.is_numeric():
            values = series.cast(polars.Float64).to_numpy()
            check_numbers(values, series.name, "task.target", "mend the file")
            return values
        if series.dtype == polars.Boolean:
            return series.to_numpy()
        return series.cast(polars.String).to_numpy().astype(str)

    @cached_property
    def _places(self) -> Array:
        """`(rows,)` split of each row: 0 train, 1 validation or 2 test."""
        import polars

        name = self.config.split
        if self._frame[name].dtype.is_nested() or self._frame[name].dtype in (polars.Binary, polars.Object):
            raise RecipeError(
                f"task.split: column {name!r} is of type {self._frame[name].dtype}; expected texts, train, validation "
                f"or test in each row."
            )
        words = self._frame[name].cast(polars.String).to_list()
        strange = sorted({str(word) for word in words if str(word).strip().lower() not in _SPLITS})
        if strange:
            raise RecipeError(
                f"task.split: column {name!r} holds {', '.join(map(repr, strange[:5]))}; expected train, "
                f"validation or test in each row."
            )
        places = np.array([_SPLITS[word.strip().lower()] for word in words])
        for which, word in ((0, "train"), (2, "test")):
            if not (places == which).any():
                raise RecipeError(f"task.split: column {name!r} has no row that says {word}; mark some.")
        return places

    def _check_sizes(self) -> None:
        """Raise for a class that is too small for three splits."""
        if self.is_regression:
            return
        names, sizes = np.unique(self._targets, return_counts=True)
        if sizes.min() < _FEWEST:
            rare = names[sizes.argmin()].item()
            raise RecipeError(
                f"task.target: class {rare!r} of column {self._names[0]!r} has {sizes.min()} row(s), and at least "
                f"{_FEWEST} are needed to split by class. Remove it, merge it with another, give it more rows, or "
                f"name a `split` column; if these are no classes, set `kind: regression`."
            )

    def _check_training(self, train: Array) -> None:
        """Raise for given training rows that lack a class, or whose target is constant."""
        targets = self._table[1][train]
        if self.is_regression:
            lacking = [
                name for name, column in zip(self._names, targets.T, strict=True) if np.ptp(column) == 0
            ]
            what = "is constant in"
        else:
            names = np.unique(self._targets)
            lacking = [name.item() for i, name in enumerate(names) if not (targets == i).any()]
            what = "is missing from"
        if lacking:
            raise RecipeError(
                f"task.split: {lacking[0]!r} {what} the training rows of column {self.config.split!r}; move some "
                f"rows to train."
            )
