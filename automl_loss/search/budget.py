"""The budget: how much a search may spend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from automl_loss.plugins.outcome import Outcome, Status

_MOST_ASKS = 10


@dataclass(frozen=True)
class Budget:
    """Limits of a search.

    Args:
        candidates: candidates that are tuned or trained. Pruned ones count by their share of the steps, tuning
            included where their metrics tell it (`share`); cached and rejected ones are free.
        minutes: wall time, added up over resumptions; `None`: no limit.
    """

    candidates: int
    minutes: float | None = None

    def remaining(self, outcomes: Mapping[int, Outcome], full_steps: float) -> int:
        """Candidates that may still be trained.

        Args:
            outcomes: all outcomes so far by id; the task loss, id 0, is free.
            full_steps: training steps of a candidate that is not pruned.
        """
        return max(0, math.ceil(self.candidates - spent(outcomes, full_steps)))

    def reason(
        self, outcomes: Mapping[int, Outcome], full_steps: float, asked: int, seconds: float
    ) -> str | None:
        """Why the search is over, or `None`."""
        if self.remaining(outcomes, full_steps) == 0:
            return f"the budget of {self.candidates} candidates is spent"
        if asked >= _MOST_ASKS * self.candidates:
            return (
                f"{asked} candidates were asked for, {_MOST_ASKS} times the budget, and most were rejected "
                f"or known already; a larger or freer search space would help"
            )
        if self.minutes is not None and seconds >= 60.0 * self.minutes:
            return f"the budget of {self.minutes:g} minutes is spent"
        return None


def spent(outcomes: Mapping[int, Outcome], full_steps: float) -> float:
    """Candidates of the budget that were used."""
    total = 0.0
    for outcome in outcomes.values():
        if outcome.id == 0 or outcome.source_id is not None:
            continue  # an equivalent of a diverged candidate was not trained, either
        if outcome.status in (Status.EVALUATED, Status.DIVERGED):
            total += 1.0
        elif outcome.status is Status.REJECTED and outcome.metrics:
            total += 1.0  # by the filter after tuning: the tuning was paid for
        elif outcome.status is Status.PRUNED:
            total += min(1.0, outcome.metrics.get("share", outcome.steps / full_steps))
    return total
