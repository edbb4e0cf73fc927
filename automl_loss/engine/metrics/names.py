"""List the metrics' names and the kinds of task they fit, without importing torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from automl_loss.losses.problem import Kind

_CLASSIFICATION: tuple[Kind, ...] = ("multiclass", "binary")
_REGRESSION: tuple[Kind, ...] = ("regression",)
_QUANTILE = re.compile(r"pinball\((?P<quantile>[^()]*)\)")


@dataclass(frozen=True)
class MetricFacts:
    """Properties of a metric.

    Args:
        summary: one line that describes it.
        kinds: the kinds of task it fits.
        lower_is_better: the metric's own sense; internally, lower is always better.
    """

    summary: str
    kinds: tuple[Kind, ...]
    lower_is_better: bool = True


METRICS: Mapping[str, MetricFacts] = MappingProxyType(
    {
        "error": MetricFacts("share of wrong classes", _CLASSIFICATION),
        "balanced_error": MetricFacts("mean over the classes of the share that is wrong", _CLASSIFICATION),
        "macro_f1": MetricFacts(
            "mean over the classes of the F1 score", _CLASSIFICATION, lower_is_better=False
        ),
        "auroc": MetricFacts(
            "area under the ROC curve, one class against the rest, mean over the classes",
            _CLASSIFICATION,
            lower_is_better=False,
        ),
        "nll": MetricFacts("mean negative log-likelihood, in nats", _CLASSIFICATION),
        "ece": MetricFacts("expected calibration error, 15 equal bins of confidence", _CLASSIFICATION),
        "mse": MetricFacts("mean squared error", _REGRESSION),
        "mae": MetricFacts("mean absolute error", _REGRESSION),
        "r2": MetricFacts(
            "share of variance explained, mean over the targets", _REGRESSION, lower_is_better=False
        ),
        "pinball": MetricFacts("pinball loss of the median; `pinball(0.9)` of another quantile", _REGRESSION),
    }
)


def is_import_path(name: str) -> bool:
    """Return whether a metric is a user's function, `module:function`, and not a name."""
    return ":" in name


def quantile_of(name: str) -> float | None:
    """Return a pinball metric's quantile: 0.5 for `pinball`, 0.9 for `pinball(0.9)`; `None` for any other name."""
    if name == "pinball":
        return 0.5
    match = _QUANTILE.fullmatch(name)
    if match is None:
        return None
    try:
        return float(match["quantile"])
    except ValueError:
        return float("nan")


def metrics_for(kind: Kind) -> list[str]:
    """Return the names of the metrics that fit a kind of task."""
    return [name for name, facts in METRICS.items() if kind in facts.kinds]


def check_metric(name: str, kind: Kind) -> list[str]:
    """Return why a metric cannot be used; empty when it can.

    Args:
        name: a name of `METRICS`, `pinball(quantile)`, or an import path `module:function`, which is not
            checked until it is loaded.
        kind: the task's kind.

    Returns:
        Problems, each a sentence with what to write instead.

    Example:
        >>> check_metric("error", "multiclass")
        []
    """
    if is_import_path(name):
        return []
    fitting = f"{', '.join(metrics_for(kind))}, or {{import: 'module:function'}}"
    quantile = quantile_of(name)
    if quantile is not None and not 0 < quantile < 1:
        return [f"metric: the quantile of {name!r} is not between 0 and 1; write for example pinball(0.9)."]
    facts = METRICS.get("pinball" if quantile is not None else name)
    if facts is None:
        close = difflib.get_close_matches(name, METRICS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return [f"metric: no metric {name!r}.{hint} For a {kind} task: {fitting}."]
    if kind not in facts.kinds:
        kinds = " and ".join(facts.kinds)
        return [f"metric: {name!r} is for {kinds} tasks and this one is {kind}; use {fitting}."]
    return []
