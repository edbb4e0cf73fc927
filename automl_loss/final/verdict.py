"""The verdict: what a run supports, in one or two plain sentences. Never a winner that the test does not support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from automl_loss.engine.metrics.metric import Metric
from automl_loss.final.result import not_finite
from automl_loss.final.retraining import ON_BOTH, ON_VALIDATION, Contestant, Retrained
from automl_loss.final.statistics import Difference

_LEVEL = 0.05

_TASK_LOSS_NAMES = {
    "cross_entropy": "cross-entropy",
    "binary_cross_entropy": "cross-entropy",
    "mse": "the squared error",
}
_AS_PERCENT = ("error", "balanced_error")


def task_loss_name(task_loss: str) -> str:
    """The task loss as a person says it."""
    return _TASK_LOSS_NAMES.get(task_loss, task_loss)


def show(metric: Metric, values: Sequence[float]) -> str:
    """Mean and standard deviation of a metric in its own sense, e.g. `7.0 % ± 0.4`."""
    own = [metric.shown(value) for value in values]
    if not all(math.isfinite(value) for value in own):
        return "diverged"
    spread = stdev(own) if len(own) > 1 else 0.0
    if metric.name in _AS_PERCENT:
        return f"{100 * fmean(own):.1f} % ± {100 * spread:.1f}"
    return f"{fmean(own):.4g} ± {spread:.2g}"


def show_contestant(metric: Metric, contestant: Contestant) -> str:
    """The same of a contestant's test values; why there is none where one is not finite."""
    if contestant.unfit_rows and not contestant.diverged:
        return not_finite(contestant.unfit_rows)
    return show(metric, contestant.values)


def _amount(metric: Metric, value: float) -> str:
    return f"{100 * value:+.1f} points" if metric.name in _AS_PERCENT else f"{value:+.4g}"


def verdict(retrained: Retrained, returned: str, metric: Metric, task_loss: str) -> str:
    """What a run found, against the task loss and the best handcrafted loss.

    Args:
        retrained: the contestants.
        returned: name of the contestant that the run returns: `found` or `handcrafted`, or `task_loss`.
        metric: the metric.
        task_loss: its name in the problem.
    """
    if returned == "task_loss":
        usual = task_loss_name(task_loss)
        return (
            f"Keep {usual}: on validation nothing was better, the losses found and the handcrafted ones included."
            f"{_on_clean_rows(retrained, metric, task_loss)}"
        )
    clean = _on_clean_rows(retrained, metric, task_loss)
    who = contestant_name(retrained, returned)
    lead = (
        ""
        if returned == "found"
        else f"On validation no found loss was better than {who}, which is returned. "
    )
    sentence = against_task_loss(retrained, returned, metric, task_loss)
    other = (
        retrained.contestants.get("handcrafted")
        if returned == "found"
        else retrained.contestants.get("found")
    )
    if other is None:
        return lead + sentence + clean
    name = f"handcrafted loss, {other.loss.key}," if returned == "found" else "found loss"
    return f"{lead}{sentence} The best {name} has {show_contestant(metric, other)}.{clean}"


def _on_clean_rows(retrained: Retrained, metric: Metric, task_loss: str) -> str:
    """What the task loss does with validation rows that are known to be clean, where it was tried."""
    alone, both = (retrained.contestants.get(name) for name in (ON_VALIDATION, ON_BOTH))
    if alone is None or both is None:
        return ""
    usual = task_loss_name(task_loss)
    return (
        f" Trained on the clean validation rows alone, {usual} has {show_contestant(metric, alone)}; on training "
        f"and validation rows {show_contestant(metric, both)}."
    )


def contestant_name(retrained: Retrained, name: str) -> str:
    """A contestant as a person says it: `the found loss`, `the handcrafted loss gce(q=0.7)`."""
    if name == "found":
        return "the found loss"
    return f"the handcrafted loss {retrained.contestants[name].loss.key}"


def against_task_loss(retrained: Retrained, name: str, metric: Metric, task_loss: str) -> str:
    """Whether a contestant, `found` or `handcrafted`, beats the task loss, with the figures."""
    one, base = retrained.contestants[name], retrained.contestants["task_loss"]
    figures = f"test {metric.name} {show_contestant(metric, one)} against {show_contestant(metric, base)}"
    who, usual = contestant_name(retrained, name), task_loss_name(task_loss)
    difference = retrained.differences[name]
    if not math.isfinite(difference.mean):
        return _without_difference(who, usual, figures, one, base, difference)
    return _compare(who, usual, figures, difference, metric)


def _without_difference(
    who: str, usual: str, figures: str, one: Contestant, base: Contestant, difference: Difference
) -> str:
    """What is said where a run diverged, or the metric is not finite on some test rows: nobody wins by that."""
    mine, theirs = (all(map(math.isfinite, each.values)) for each in (one, base))
    if not theirs:
        return f"Nothing is said of {who}: {_failure(usual, base)} ({figures})."
    if not mine:
        return f"Keep {usual}: {_failure(who, one)} ({figures})."
    return f"Keep {usual}: no difference to {who} is supported, {difference.test} ({figures})."


def _failure(who: str, contestant: Contestant) -> str:
    """Why a contestant has no finite test metric."""
    if contestant.unfit_rows and not contestant.diverged:
        return f"the test metric of {who} is {not_finite(contestant.unfit_rows)}"
    return f"{who} diverged in retraining"


def _compare(who: str, usual: str, figures: str, difference: Difference, metric: Metric) -> str:
    low, high = difference.ci95
    interval = (
        f"difference {_amount(metric, difference.mean)}, "
        f"95 % interval {_amount(metric, low)} to {_amount(metric, high)}, "
        f"p = {difference.p_value:.2g}"
    )
    better = (difference.mean < 0) == metric.lower_is_better and difference.mean != 0
    if difference.p_value >= _LEVEL:
        return f"Keep {usual}: no difference to {who} is supported ({figures}; {interval})."
    if better:
        return f"{who[0].upper()}{who[1:]} beats {usual}: {figures} ({interval})."
    return f"Keep {usual}: {who} is worse, {figures} ({interval})."
