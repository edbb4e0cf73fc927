"""Task `dataset`, the user's own data by import path: functions that return arrays, or torch data sets."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from pydantic import Field

from autoloss_tasks._arrays import arrays_at
from autoloss_tasks._kind import Kind
from autoloss_tasks._numbers import MOST_FLOAT32, first_unfit, place_of, spread_of
from autoloss_tasks._splitting import hold_out
from autoloss_tasks.images import Images
from autoloss_tasks.tabular import Array
from automl_loss import DataError, PluginConfig, Problem, RecipeError, Split, Splits, Task


class Dataset(Task):
    """Your own data: functions that return arrays or tensors, or torch data sets, by import path.

    Each path is a function or a class, called with `options` and, where it has a parameter `split`, with the name
    of the split; or a torch.utils.data.Dataset itself. It returns a pair of inputs and targets, or a data set of
    such pairs. Modules may lie in the recipe's folder.

    Without `test`, 20 % of the training rows are held out for it; without `validation`, 10 % of them, or 20 % of
    all where `test` is held out too; by the seed, stratified for classification. Inputs are taken as they are,
    but images as uint8, `(rows, channels, height, width)`, which are normalised by the training rows; targets of
    a regression are standardised by them.
    """

    class Config(PluginConfig):
        """Options of the data set."""

        train: str = Field(description="module:name of the training rows, e.g. mydata:train")
        validation: str | None = Field(
            None, description="module:name of the validation rows; null: held out of train"
        )
        test: str | None = Field(None, description="module:name of the test rows; null: held out of train")
        kind: Kind = Field(
            "auto",
            description="whether targets are classes or numbers; auto: floats are numbers, all else classes",
        )
        options: dict[str, Any] = Field({}, description="passed by name to each function")

    def problem(self) -> Problem:
        """Return kind and shapes as found in the training rows; metric `error` or `mse`."""
        inputs, targets = self._train
        if self.is_regression:
            return Problem.regression(inputs.shape[1:], outputs=targets.reshape(len(targets), -1).shape[1])
        return Problem.classification(inputs.shape[1:], classes=len(self._classes))

    def splits(self, seed: int) -> Splits:
        """Return training rows, and the validation rows that are given or held out."""
        train, validation, _ = self._rows(seed)
        inputs, targets = self._train
        held = (inputs[validation], targets[validation])
        if self.config.validation is not None:
            held = self._load("validation", self.config.validation)
        if self.config.test is not None:
            # Only checked: test rows that cannot be used should not end a run after its search.
            self._split(self._load("test", self.config.test), train)
        return Splits(self._split((inputs[train], targets[train]), train), self._split(held, train))

    def test(self, seed: int) -> Split:
        """Return the test rows that are given or held out."""
        train, _, test = self._rows(seed)
        if self.config.test is not None:
            return self._split(self._load("test", self.config.test), train)
        inputs, targets = self._train
        return self._split((inputs[test], targets[test]), train)

    @property
    def exchangeable(self) -> bool:
        """True unless validation rows are given."""
        return self.config.validation is None

    def notices(self) -> list[str]:
        """Return a sentence on how the targets were interpreted."""
        if self.config.kind != "auto":
            return []
        here, other = ("regression", "classification")[:: 1 if self.is_regression else -1]
        classes = "" if self.is_regression else f", {len(self._classes)} classes"
        return [
            f"targets of {self.config.train} are {self._train[1].dtype}, so this is a {here}{classes}; "
            f"`kind: {other}` would make it one."
        ]

    @property
    def is_regression(self) -> bool:
        """Whether targets are real numbers."""
        if self.config.kind == "auto":
            return self._train[1].dtype.kind == "f" or self._train[1].ndim > 1
        return bool(self.config.kind == "regression")

    @cached_property
    def _train(self) -> tuple[Array, Array]:
        inputs, targets = self._load("train", self.config.train)
        if (targets == targets[0]).all():
            raise DataError(
                f"task.train: {self.config.train!r} gave {targets[0]} as the target of all rows, so there is "
                f"nothing to learn; give rows of different targets."
            )
        if self.config.kind == "regression" and targets.dtype.kind in "US":
            raise RecipeError(
                "task.kind: targets are text, and a regression needs numbers; set classification."
            )
        if self.config.kind == "classification" and targets.ndim > 1:
            raise RecipeError(
                f"task.kind: targets of shape {targets.shape} are a regression; a classification has (rows,) labels."
            )
        return inputs, targets

    @cached_property
    def _classes(self) -> Array:
        return np.unique(self._train[1])

    def _load(self, part: str, path: str) -> tuple[Array, Array]:
        return arrays_at(path, part, self.config.options, self.folder)

    def _rows(self, seed: int) -> tuple[Array, Array, Array]:
        """Split the rows of the training data into training rows, and those held out as validation and test."""
        targets = self._train[1]
        none = np.arange(0)
        given = self.config.validation is not None, self.config.test is not None

        def cut(rows: Array, share: float) -> tuple[Array, Array]:
            return hold_out(rows, share, seed, None if self.is_regression else targets[rows])

        rows = np.arange(len(targets))
        rows, test = (rows, none) if given[1] else cut(rows, 0.2)
        rows, validation = (rows, none) if given[0] else cut(rows, 0.1 if given[1] else 0.25)
        return rows, validation, test

    def _split(self, pair: tuple[Array, Array], train: Array) -> Split:
        """Scale rows as the training rows are."""
        inputs, targets = pair
        reference_x, reference_y = self._train
        if inputs.shape[1:] != reference_x.shape[1:] or inputs.dtype != reference_x.dtype:
            raise DataError(
                f"task: training inputs are {reference_x.dtype} of shape {reference_x.shape[1:]}, others are "
                f"{inputs.dtype} of shape {inputs.shape[1:]}; make them alike."
            )
        x: Array | Images = inputs.astype(np.float32)
        if inputs.dtype == np.uint8 and inputs.ndim == 4:
            x = Images.of(reference_x[train]).like_training(inputs)
        if not self.is_regression:
            return Split(x, self._indices(targets))
        y, reference = (
            each.reshape(len(each), -1).astype(np.float64) for each in (targets, reference_y[train])
        )
        if y.shape[1] != reference.shape[1]:
            raise DataError(
                f"task: training targets have {reference.shape[1]} outputs, others {y.shape[1]}; make them alike."
            )
        scaled = (y - reference.mean(0)) / spread_of(reference)
        if (wrong := first_unfit(scaled, MOST_FLOAT32)) is not None:
            raise DataError(
                f"task: a target is {y[wrong]:g} in {place_of(wrong)} of its split, which is {scaled[wrong]:g} on the "
                f"scale of the training rows, more than float32 holds. Mend the value, or leave its row out."
            )
        return Split(x, scaled.astype(np.float32))

    def _indices(self, labels: Array) -> Array:
        """Convert labels to class indices; the classes are those of the training rows."""
        unknown = np.setdiff1d(labels, self._classes)
        if len(unknown):
            shown = ", ".join(map(repr, unknown[:5].tolist()))
            raise DataError(
                f"task: labels {shown} are not among the training rows', {', '.join(map(str, self._classes[:20]))}. "
                f"Give training rows of each class, or leave these out."
            )
        return np.searchsorted(self._classes, labels).astype(np.int64)
