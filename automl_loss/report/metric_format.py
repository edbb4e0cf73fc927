"""Format a metric's values for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl_loss.engine.metrics.names import METRICS

_AS_PERCENT = ("error", "balanced_error")


@dataclass(frozen=True)
class MetricFormat:
    """Name and unit of a metric.

    Args:
        metric: the metric's name.

    Example:
        >>> MetricFormat("error").show(0.0394), MetricFormat("error").label("test")
        ('3.94 %', 'test error (%)')
        >>> MetricFormat("mse").spread(0.51234, 0.01)
        '0.5123 ± 0.01'
    """

    metric: str

    @property
    def factor(self) -> float:
        """The factor that a value is multiplied by to be shown."""
        return 100.0 if self.metric in _AS_PERCENT else 1.0

    @property
    def lower_is_better(self) -> bool:
        """The metric's own sense; a metric that is not known by name counts as an error."""
        facts = METRICS.get(self.metric)
        return facts is None or facts.lower_is_better

    def label(self, what: str) -> str:
        """Return the label of an axis."""
        return f"{what} {self.metric}{' (%)' if self.factor == 100.0 else ''}"

    def show(self, value: float | None) -> str:
        """Format a value with its unit; a dash for `None`."""
        if value is None:
            return "–"
        return f"{100 * value:.2f} %" if self.factor == 100.0 else f"{value:.4g}"

    def change(self, value: float | None) -> str:
        """Format a difference with its sign."""
        if value is None:
            return "–"
        return f"{100 * value:+.2f} points" if self.factor == 100.0 else f"{value:+.4g}"

    def interval(self, low: float, high: float) -> str:
        """Format two differences, with the unit once."""
        return f"{self.change(low).removesuffix(' points')} to {self.change(high)}"

    def summary(self, values: Mapping[str, Any]) -> str:
        """Format mean and deviation of test values as `result.json` has them; why there are none where that is so."""
        if values["mean"] is None or values["std"] is None:
            from automl_loss.final.result import absent

            return absent(values)
        return self.spread(values["mean"], values["std"])

    def spread(self, mean: float | None, deviation: float | None) -> str:
        """Format mean and standard deviation; `diverged` where a run diverged."""
        if mean is None or deviation is None:
            return "diverged"
        if self.factor == 100.0:
            return f"{100 * mean:.2f} % ± {100 * deviation:.2f}"
        return f"{mean:.4g} ± {deviation:.2g}"
