"""Define `TabularTask`, the base class of tasks made from one table, which splits and scales it by the seed."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from autoloss_tasks._splitting import hold_out
from automl_loss import Problem, Split, Splits, Task

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
        return Splits(self._scaled(train, train), self._scaled(validation, train))

    def test(self, seed: int) -> Split:
        """Return test rows under the same split seed."""
        train, _, test = self.rows(seed)
        return self._scaled(test, train)

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
        sound = features.ndim == 2 and len(features) == len(targets)
        if not sound or not (self.missing or np.isfinite(features).all()):
            raise ValueError(
                f"{type(self).__name__}.load gave features of shape {features.shape} and {len(targets)} "
                f"targets; expected (rows, features) finite numbers and as many targets."
            )
        if self.is_regression:
            return features, targets.reshape(len(targets), -1).astype(np.float64)
        return features, np.unique(targets, return_inverse=True)[1].astype(np.int64)

    def _scaled(self, rows: Array, train: Array) -> Split:
        """Scale the given rows as the training rows are."""
        _, targets = self._table
        x = self.encode(rows, train).astype(np.float32)
        if not self.is_regression:
            return Split(x, targets[rows])
        return Split(x, _standardised(targets[rows], targets[train]).astype(np.float32))


def _standardised(values: Array, reference: Array) -> Array:
    """Return values `(rows, columns)` minus mean, over standard deviation, of the reference rows."""
    constant = reference.min(0) == reference.max(0)
    scaled: Array = (values - reference.mean(0)) / np.where(constant, 1.0, reference.std(0))
    return scaled
