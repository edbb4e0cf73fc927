"""Define `TabularTask`, the base class of tasks made from one table, which splits and scales it by the seed."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from autoloss_tasks._numbers import MOST_FLOAT32, MOST_NUMBER, first_unfit, place_of, spread_of
from autoloss_tasks._splitting import hold_out
from automl_loss import DataError, Problem, Split, Splits, Task

Array = npt.NDArray[Any]


class TabularTask(Task):
    """A task that is one table; a subclass only defines how to `load` it.

    Rows are split into train 60 / validation 20 / test 20, stratified by class, as a function of the seed
    alone. Features are standardised by mean and standard deviation of the training rows (a column that is
    constant there is only centred), and so are the targets of a regression.

    Example:
        A regression on your own file::

            class Yield(TabularTask):
                "Yield of a reaction from 12 settings."

                regression = True

                def load(self):
                    table = np.loadtxt("yield.csv", delimiter=",", skiprows=1)
                    return table[:, :-1], table[:, -1]
    """

    regression: ClassVar[bool] = False
    standardise: ClassVar[bool] = True
    """Whether features are standardised; switched off where they have a natural scale, such as pixels."""
    missing: ClassVar[bool] = False
    """Whether features may be NaN, because the subclass's `encode` fills them."""

    @abstractmethod
    def load(self) -> tuple[Array, Array]:
        """Load the whole table.

        Returns:
            `(rows, features)` numbers, and the targets: `(rows,)` labels of any type, or for regression
            `(rows,)` or `(rows, outputs)` numbers.
        """

    @property
    def is_regression(self) -> bool:
        """Whether targets are real numbers."""
        return self.regression

    @property
    def width(self) -> int:
        """Number of columns that `encode` gives, whatever the rows."""
        return int(self._table[0].shape[1])

    def encode(self, rows: Array, train: Array) -> Array:
        """Return `(rows, width)` features of the given rows, by a scaler fitted on the training rows alone."""
        features, _ = self._table
        return _standardised(features[rows], features[train]) if self.standardise else features[rows]

    def problem(self) -> Problem:
        """Return kind and shapes as found in the table; metric `error` or `mse`."""
        _, targets = self._table
        if self.is_regression:
            return Problem.regression((self.width,), outputs=targets.shape[1])
        return Problem.classification((self.width,), classes=int(targets.max()) + 1)

    def splits(self, seed: int) -> Splits:
        """Return training and validation rows under the split seed."""
        train, validation, _ = self.rows(seed)
        for part, rows in (("training", train), ("validation", validation)):
            if not len(rows):
                raise DataError(f"{self._origin}: no {part} rows; give more rows, or other splits.")
        return Splits(self._scaled(train, train, check=True), self._scaled(validation, train, check=True))

    def test(self, seed: int) -> Split:
        """Return test rows under the same split seed."""
        train, _, test = self.rows(seed)
        return self._scaled(test, train)

    @property
    def _origin(self) -> str:
        """Where the table is from, for messages."""
        return f"task {type(self).__name__}"

    def _column_name(self, index: int) -> str:
        """Name a column of `encode`, for messages."""
        return f"column {index + 1:,}"

    def rows(self, seed: int) -> tuple[Array, Array, Array]:
        """Return sorted row numbers of the training, validation and test split."""
        _, targets = self._table
        labels = None if self.is_regression else targets
        searched, test = hold_out(np.arange(len(targets)), 0.2, seed, labels)
        train, validation = hold_out(searched, 0.25, seed, None if labels is None else labels[searched])
        return train, validation, test

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        features, targets = (np.asarray(part) for part in self.load())
        sound = (
            features.ndim == 2 and features.dtype.kind in "iufb" and targets.shape[:1] == features.shape[:1]
        )
        if not sound or not len(targets):
            raise DataError(
                f"{self._origin}: load gave features of shape {features.shape} and type {features.dtype}, and targets "
                f"of shape {targets.shape}; expected (rows, features) numbers and as many targets."
            )
        if not self.missing:
            self._check(features, "features")
        if self.is_regression:
            targets = targets.reshape(len(targets), -1)
            if targets.dtype.kind not in "iufb":
                raise DataError(
                    f"{self._origin}: targets are of type {targets.dtype}; a regression needs numbers."
                )
            self._check(targets, "targets")
            return features, targets.astype(np.float64)
        return features, np.unique(targets, return_inverse=True)[1].astype(np.int64)

    def _check(self, values: Array, what: str) -> None:
        """Raise for numbers of the table that cannot be computed with."""
        if (wrong := first_unfit(values, MOST_NUMBER)) is not None:
            raise DataError(
                f"{self._origin}: load gave {what} with {values[wrong]:g} in {place_of(wrong)}; expected finite "
                f"numbers up to {MOST_NUMBER:g}. Mend the value, or leave its row out."
            )

    def _scaled(self, rows: Array, train: Array, *, check: bool = False) -> Split:
        """Scale the given rows as the training rows are.

        Args:
            rows: row numbers.
            train: row numbers to fit on.
            check: whether float32 must hold all. What it cannot hold of test rows is infinite, and a part of the
                verdict.
        """
        _, targets = self._table
        x = self.encode(rows, train)
        y = _standardised(targets[rows], targets[train]) if self.is_regression else targets[rows]
        for values, named in ((x, self._column_name), (y, lambda index: f"target {index + 1}")):
            if check and (wrong := first_unfit(values, MOST_FLOAT32)) is not None:
                raise DataError(
                    f"{self._origin}: {named(wrong[1])} is {values[wrong]:g} in row {rows[wrong[0]] + 1:,} on the "
                    f"scale of the training rows, more than float32 holds. Mend the value, or leave its row out."
                )
        with np.errstate(over="ignore"):
            return Split(x.astype(np.float32), y.astype(np.float32) if self.is_regression else y)


def _standardised(values: Array, reference: Array) -> Array:
    """Return values `(rows, columns)` minus mean, over standard deviation, of the reference rows."""
    scaled: Array = (values - reference.mean(0)) / spread_of(reference)
    return scaled
