"""The result of a run, and `result.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from automl_loss.engine.metrics.metric import Metric
from automl_loss.final.finalists import Finalist
from automl_loss.final.retraining import Contestant, Retrained
from automl_loss.final.statistics import Difference
from automl_loss.losses.base import Loss
from automl_loss.plugins.outcome import Outcome

SCHEMA = 1


@dataclass(frozen=True)
class Result:
    """What a run found.

    Args:
        directory: the run directory.
        loss: the loss that the run returns.
        verdict: what the run supports, in plain words.
        data: the content of `result.json`.
        outcomes: every outcome of the search by candidate id; 0 is the task loss.
        finalists: the final round, best first.
    """

    directory: Path
    loss: Loss
    verdict: str
    data: Mapping[str, Any]
    outcomes: Mapping[int, Outcome] = field(default_factory=dict, repr=False)
    finalists: tuple[Finalist, ...] = field(default=(), repr=False)


def contestant_json(contestant: Contestant, metric: Metric) -> dict[str, Any]:
    """Test values of a contestant in the metric's own sense, with its learning rate."""
    values = _own(metric, contestant.values)
    last = _own(metric, contestant.last)
    return {
        "loss": contestant.loss.key,
        **_summary(values, contestant.unfit_rows),
        "lr": _finite(contestant.selection.lr),
        "lr_tried": [[lr, _finite(metric.shown(value))] for lr, value in contestant.selection.tried],
        "best_steps": [run.best_step for run in contestant.runs],
        "last_step": _summary(last, contestant.last_unfit_rows),
    }


def absent(summary: Mapping[str, Any]) -> str:
    """Why a summary of test values has no mean, in words; see `contestant_json`."""
    rows = summary.get("not_finite_rows", 0)
    return not_finite(rows) if rows else "diverged"


def not_finite(rows: int) -> str:
    """Say that a metric is not finite on some test rows."""
    return f"not finite on {rows:,} test row{'' if rows == 1 else 's'}"


def difference_json(difference: Difference) -> dict[str, Any]:
    """A difference; numbers that are not finite become null."""
    return {
        "mean": _finite(difference.mean),
        "ci95": [_finite(bound) for bound in difference.ci95],
        "p_value": difference.p_value,
        "test": difference.test,
    }


def test_json(retrained: Retrained, returned: str, metric: Metric, verdict: str) -> dict[str, Any]:
    """The `test` section: the returned loss as `learned`, the task loss, and the others by name."""
    everyone = {name: contestant_json(entry, metric) for name, entry in retrained.contestants.items()}
    learned = everyone[returned]
    difference = _difference_json(retrained.differences, returned)
    return {
        "metric": metric.name,
        "lower_is_better": metric.lower_is_better,
        "learned": learned,
        "task_loss": everyone["task_loss"],
        "difference": difference,
        "last_step": {
            "learned": learned["last_step"],
            "task_loss": everyone["task_loss"]["last_step"],
            "difference": _difference_json(retrained.last_differences, returned),
        },
        "returned": returned,
        "others": {
            name: {**entry, "difference": difference_json(retrained.differences[name])}
            for name, entry in everyone.items()
            if name not in ("task_loss", returned)
        },
        "verdict": verdict,
    }


def _difference_json(differences: Mapping[str, Difference], returned: str) -> dict[str, Any]:
    if returned == "task_loss":
        return {
            "mean": 0.0,
            "ci95": [0.0, 0.0],
            "p_value": 1.0,
            "test": "none: the task loss itself is returned",
        }
    return difference_json(differences[returned])


def _summary(values: list[float | None], unfit_rows: int) -> dict[str, Any]:
    """Mean and deviation of test values, null where one is; and on how many test rows the metric is not finite."""
    finite = [value for value in values if value is not None]
    whole = len(finite) == len(values)
    return {
        "mean": fmean(finite) if whole else None,
        "std": stdev(finite) if whole and len(finite) > 1 else (0.0 if whole else None),
        "values": values,
        **({"not_finite_rows": unfit_rows} if unfit_rows else {}),
    }


def _own(metric: Metric, values: tuple[float, ...]) -> list[float | None]:
    return [_finite(metric.shown(value)) for value in values]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
