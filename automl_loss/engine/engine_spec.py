"""The specification of an engine: all that a worker process needs to make it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_loss.engine.data.corruption import TaskOptions
from automl_loss.engine.settings import StopRule, TrainingSettings, TuningSettings
from automl_loss.losses.problem import Problem
from automl_loss.plugins.model import ModelFactory
from automl_loss.plugins.task import Task


@dataclass(frozen=True)
class EngineSpec:
    """All that an engine is made from; small and picklable, so that worker processes make their own.

    Args:
        task: makes the task.
        model: makes the model factory.
        options: metric and corruptions of the task.
        training: settings of partial training; `lr` is a number by the time the engine trains.
        tuning: settings of tuning.
        rejection: least improvement of the metric on free outputs that a tuned loss must show; `None`: any.
        stop: the stopping rule.
        seed: the run seed.
        device: torch device.
        dtype: name of a torch dtype.
        compiled: whether to use the compiled loss kernels.
        folder: where a metric by import path is looked for, beside the working directory.
        run: tells this run's engines from another's, in worker processes that outlive a run.
    """

    task: Callable[[], Task]
    model: Callable[[], ModelFactory]
    options: TaskOptions = field(default_factory=TaskOptions)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    tuning: TuningSettings = field(default_factory=TuningSettings)
    rejection: float | None = None
    stop: StopRule = "best_validation"
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"
    compiled: bool = True
    folder: Path | None = None
    run: str = field(default_factory=lambda: uuid.uuid4().hex)


def problem_of(task: Task, options: TaskOptions) -> Problem:
    """The task's problem, with the metric that the recipe chose."""
    problem = task.problem()
    return problem if options.metric is None else replace(problem, metric=options.metric)


def class_prior(labels: npt.NDArray[Any], problem: Problem) -> tuple[float, ...]:
    """Share of each class among training labels `(rows,)`; empty for regression.

    A class without a row counts as one.
    """
    if not problem.is_classification:
        return ()
    counts = np.maximum(np.bincount(labels, minlength=problem.classes), 1)
    return tuple((counts / counts.sum()).tolist())
