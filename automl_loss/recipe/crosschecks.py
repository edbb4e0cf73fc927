"""Check that keys of a recipe that are valid one by one are valid together."""

from __future__ import annotations

from typing import get_args

from automl_loss.engine.data.corruption import TaskOptions
from automl_loss.engine.metrics.names import METRICS, check_metric
from automl_loss.engine.settings import TrainingSettings
from automl_loss.losses.problem import Kind
from automl_loss.recipe.core_sections import General
from automl_loss.recipe.document import Document
from automl_loss.recipe.faults import Faults, KeyPath, did_you_mean, dotted


def check_together(general: General, document: Document, faults: Faults) -> list[str]:
    """Note keys that do not go together.

    Returns:
        Notices about settings that are valid, but may surprise.
    """
    _check_training(general.training, document, faults)
    notices = []
    tuning = general.tuning
    if tuning.steps and tuning.inner_steps > 1 and tuning.gradient == "amortised":
        notices.append(
            f"tuning: amortised means one inner step; for {tuning.inner_steps} the exact gradient is used."
        )
    return notices


def check_metric_name(
    options: TaskOptions, document: Document, faults: Faults, at: KeyPath = ("task",)
) -> None:
    """Note a metric that fits no kind of task. Whether it fits this task is checked when the task is loaded."""
    metric = options.metric
    if metric is None or any(not check_metric(metric, kind) for kind in get_args(Kind)):
        return
    place = document.value_place((*at, "metric"))
    if metric.startswith("pinball("):
        message = f"expected a quantile between 0 and 1 as in pinball(0.9), got '{metric}'."
    else:
        message = f"no metric '{metric}'. {did_you_mean(metric, METRICS)}"
    faults.add(place, dotted((*at, "metric")), message)


def _check_training(training: TrainingSettings, document: Document, faults: Faults) -> None:
    def fault(key: str, message: str) -> None:
        faults.add(document.value_place(("training", key)), f"training.{key}", message)

    rungs, milestones = list(training.rungs), list(training.milestones)
    if rungs != sorted(set(rungs)):
        fault("rungs", f"expected rising steps, got {rungs}.")
    elif rungs and not (training.steps / 2 <= rungs[0] and rungs[-1] <= training.steps):
        first, last = -(-training.steps // 2), training.steps
        fault(
            "rungs",
            f"expected steps from {first} (earlier ones mislead) to {last} (`training.steps`), got {rungs}.",
        )
    if milestones != sorted(set(milestones)) or (milestones and milestones[-1] >= 1):
        fault("milestones", f"expected rising fractions of the steps, below 1, got {milestones}.")
    if not all(0 <= beta < 1 for beta in training.betas):
        fault("betas", f"expected two numbers of at least 0 and below 1, got {list(training.betas)}.")
