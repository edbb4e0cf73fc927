"""Corrupt a task's training and validation rows: wrong labels, outliers, rare classes. Test rows stay clean.

Every option draws from streams of its own, one per split, so that adding one option, or
`clean_validation`, does not change the rows that another one hits; and a row hit at a low rate is hit
at every higher one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from automl_loss.engine.metrics.names import check_metric
from automl_loss.losses.problem import Problem
from automl_loss.plugins.task import Split, Splits
from automl_loss.seeds import generator

_OUTLIER_STDS = (3.0, 10.0)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LabelNoise(_Section):
    """Settings of label noise.

    Args:
        rate: probability that a row's label becomes another class.
        kind: `symmetric`: drawn uniformly from the other classes; `pair_flip`: class c becomes c + 1, the
            last the first.
    """

    rate: float = Field(0.0, ge=0, lt=1, description="probability that a label becomes another class")
    kind: Literal["symmetric", "pair_flip"] = Field("symmetric", description="which class it becomes")


class _MetricImport(_Section):
    path: str = Field(alias="import", description="module:function of (raw, target), returning a number")


def _metric_from(value: object) -> object:
    if isinstance(value, Mapping) and set(value) == {"import"} and isinstance(value["import"], str):
        if ":" not in value["import"]:
            raise ValueError(f"import path {value['import']!r} has no colon; write 'module:function'")
        return value["import"]
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"expected the name of a metric or {{import: 'module:function'}}, got {value!r}")


def _noise_from(value: object) -> object:
    if isinstance(value, Mapping | LabelNoise):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"rate": value}
    raise ValueError(f"expected a share such as 0.4 or {{rate: 0.4, kind: pair_flip}}, got {value!r}")


class TaskOptions(_Section):
    """Options that every task has, in addition to the plugin's own.

    `metric` is a name or an import path after validation, or `None` for the task's own; `label_noise` is
    always a `LabelNoise`.

    Example:
        >>> TaskOptions.model_validate({"label_noise": 0.4, "metric": "error"}).label_noise
        LabelNoise(rate=0.4, kind='symmetric')
    """

    metric: Annotated[
        str | None, BeforeValidator(_metric_from, json_schema_input_type=str | _MetricImport | None)
    ] = Field(None, description="what counts; null: the task's own")
    label_noise: Annotated[
        LabelNoise, BeforeValidator(_noise_from, json_schema_input_type=float | LabelNoise)
    ] = Field(
        LabelNoise(), description="wrong labels in training and validation rows: a share, or rate and kind"
    )
    outliers: float = Field(
        0.0, ge=0, lt=1, description="share of training and validation rows whose targets are far off"
    )
    imbalance: float = Field(
        1.0,
        gt=0,
        le=1,
        description="rows of the rarest over rows of the most frequent class in training; 1: as it is",
    )
    clean_validation: bool = Field(False, description="label noise and outliers spare the validation rows")
    development: bool = Field(
        False,
        description="leave the test rows alone: judge on the validation rows, validate on training rows",
    )

    @property
    def cleaner_validation(self) -> bool:
        """Whether corruption spares the validation rows and falls on the training rows."""
        return self.clean_validation and bool(self.label_noise.rate or self.outliers)


def check_options(options: TaskOptions, problem: Problem) -> list[str]:
    """Return why the options do not fit a task; empty when they do.

    Args:
        options: the common options.
        problem: the task's problem.

    Returns:
        Problems, each `option: sentence` with a remedy.
    """
    problems = [] if options.metric is None else check_metric(options.metric, problem.kind)
    if problem.is_classification and options.outliers:
        problems.append(
            f"outliers: {options.outliers:g} needs real targets and this task is {problem.kind}; "
            f"use label_noise for wrong labels."
        )
    if not problem.is_classification and options.label_noise.rate:
        problems.append(
            f"label_noise: {options.label_noise.rate:g} needs classes and this task is a regression; "
            f"use outliers for wrong targets."
        )
    if not problem.is_classification and options.imbalance < 1:
        problems.append(
            f"imbalance: {options.imbalance:g} needs classes and this task is a regression; remove it."
        )
    return problems


def corrupt(splits: Splits, options: TaskOptions, problem: Problem, seed: int) -> Splits:
    """Apply the options to training and validation rows; `splits` itself is not changed.

    Label noise and outliers fall on training and validation rows, or on training rows alone with
    `clean_validation`; imbalance thins out training rows by their true classes.

    Args:
        splits: clean rows.
        options: checked by `check_options`.
        problem: the task's problem.
        seed: the run seed; masks are a function of it alone.

    Returns:
        The corrupted rows, in the order of `splits`.
    """
    train, validation = splits.train.y, splits.validation.y
    if options.label_noise.rate:
        train = _mislabel(train, options.label_noise, problem.classes, seed, "train")
        if not options.clean_validation:
            validation = _mislabel(validation, options.label_noise, problem.classes, seed, "validation")
    if options.outliers:
        deviation = splits.train.y.std(0)
        train = _add_outliers(train, options.outliers, deviation, seed, "train")
        if not options.clean_validation:
            validation = _add_outliers(validation, options.outliers, deviation, seed, "validation")
    corrupted = Splits(Split(splits.train.x, train), replace(splits.validation, y=validation))
    if options.imbalance < 1:
        kept = _long_tail(splits.train.y, options.imbalance, seed)
        corrupted = replace(corrupted, train=Split(splits.train.x[kept], train[kept]))
    return corrupted


def _mislabel(
    labels: npt.NDArray[Any], noise: LabelNoise, classes: int, seed: int, split: str
) -> npt.NDArray[Any]:
    """Change each of the labels `(rows,)` to another class with probability `noise.rate`."""
    hit = generator(seed, "corruption", "label_noise", split).random(len(labels)) < noise.rate
    if noise.kind == "pair_flip":
        steps: npt.NDArray[np.int64] = np.ones(len(labels), dtype=np.int64)
    else:
        # Add 1 to classes - 1, modulo classes: every other class is equally likely, and never the same.
        steps = generator(seed, "corruption", "label_noise", split, "class").integers(1, classes, len(labels))
    return np.where(hit, (labels + steps) % classes, labels).astype(labels.dtype)


def _add_outliers(
    targets: npt.NDArray[Any], share: float, deviation: npt.NDArray[Any], seed: int, split: str
) -> npt.NDArray[Any]:
    """Move a share of targets `(rows, outputs)` by 3 to 10 standard deviations, up or down with equal probability.

    Each output of a row that is hit has its own sign and distance, the latter uniform.
    """
    hit = generator(seed, "corruption", "outliers", split).random(len(targets)) < share
    sizes = generator(seed, "corruption", "outliers", split, "size")
    distance = sizes.uniform(*_OUTLIER_STDS, targets.shape) * sizes.choice([-1.0, 1.0], targets.shape)
    return np.where(hit[:, None], targets + distance * deviation, targets).astype(targets.dtype)


def _long_tail(labels: npt.NDArray[Any], ratio: float, seed: int) -> npt.NDArray[np.int64]:
    """Return the sorted indices of the training rows that are kept.

    From the most frequent class, which is kept whole, to the rarest, class sizes fall exponentially: the class
    of rank r of C keeps `largest * ratio ** (r / (C - 1))` rows, at least one, at most what it has.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    kept = []
    for rank, place in enumerate(order):
        wanted = round(float(sizes[order[0]]) * ratio ** (rank / max(1, len(classes) - 1)))
        rows = np.flatnonzero(labels == classes[place])
        shuffled = generator(seed, "corruption", "imbalance", int(classes[place])).permutation(rows)
        kept.append(shuffled[: max(1, wanted)])
    return np.sort(np.concatenate(kept))
