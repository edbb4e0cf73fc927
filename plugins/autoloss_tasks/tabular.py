"""Tasks made from one table: split and scaled by the seed."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from automl_loss import Problem, Split, Splits, Task, stream

Array = npt.NDArray[Any]


class TabularTask(Task):
    """A task that is one table; a subclass only says how to `load` it.

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

    @abstractmethod
    def load(self) -> tuple[Array, Array]:
        """The whole table.

        Returns:
            `(rows, features)` numbers, and the targets: `(rows,)` labels of any type, or for regression
            `(rows,)` or `(rows, outputs)` numbers.
        """

    def problem(self) -> Problem:
        """Kind and shapes as found in the table; metric `error` or `mse`."""
        features, targets = self._table
        if self.regression:
            return Problem.regression(features.shape[1:], outputs=targets.shape[1])
        return Problem.classification(features.shape[1:], classes=int(targets.max()) + 1)

    def splits(self, seed: int) -> Splits:
        """Training and validation rows under the split seed."""
        train, validation, _ = self.rows(seed)
        return Splits(self._scaled(train, train), self._scaled(validation, train))

    def test(self, seed: int) -> Split:
        """Test rows under the same split seed."""
        train, _, test = self.rows(seed)
        return self._scaled(test, train)

    def rows(self, seed: int) -> tuple[Array, Array, Array]:
        """Sorted row numbers of the training, validation and test split."""
        from sklearn.model_selection import train_test_split

        _, targets = self._table
        state = stream(seed, "split") % 2**32

        def cut(rows: Array, share: float) -> tuple[Array, Array]:
            labels = None if self.regression else targets[rows]
            kept, taken = train_test_split(rows, test_size=share, random_state=state, stratify=labels)
            return np.sort(kept), np.sort(taken)

        searched, test = cut(np.arange(len(targets)), 0.2)
        train, validation = cut(searched, 0.25)
        return train, validation, test

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        features, targets = (np.asarray(part) for part in self.load())
        if features.ndim != 2 or len(features) != len(targets) or not np.isfinite(features).all():
            raise ValueError(
                f"{type(self).__name__}.load gave features of shape {features.shape} and {len(targets)} "
                f"targets; expected (rows, features) finite numbers and as many targets."
            )
        if self.regression:
            return features, targets.reshape(len(targets), -1).astype(np.float64)
        return features, np.unique(targets, return_inverse=True)[1].astype(np.int64)

    def _scaled(self, rows: Array, train: Array) -> Split:
        """The given rows, on the scale of the training rows."""
        features, targets = self._table
        x = _standardised(features[rows], features[train]) if self.standardise else features[rows]
        y = _standardised(targets[rows], targets[train]) if self.regression else targets[rows]
        return Split(x.astype(np.float32), y.astype(np.float32) if self.regression else y)


def _standardised(values: Array, reference: Array) -> Array:
    """Values `(rows, columns)` minus mean, over standard deviation, of the reference rows."""
    constant = reference.min(0) == reference.max(0)
    scaled: Array = (values - reference.mean(0)) / np.where(constant, 1.0, reference.std(0))
    return scaled
