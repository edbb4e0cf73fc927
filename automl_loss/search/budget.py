"""The budget: how much a search may spend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from automl_loss.plugins.outcome import Outcome

_MOST_ASKS = 10


@dataclass(frozen=True)
class Budget:
    """Limits of a search.

    Args:
        candidates: candidates that are tuned or trained; each counts by its `Outcome.cost`.
    """

    candidates: int

    def remaining(self, outcomes: Mapping[int, Outcome]) -> int:
        """Candidates that may still be trained, given all outcomes so far by id."""
        return max(0, math.ceil(self.candidates - spent(outcomes)))

    def reason(self, outcomes: Mapping[int, Outcome], asked: int) -> str | None:
        """Why the search is over, or `None`.

        Args:
            outcomes: all so far by id.
            asked: number of candidates asked for.
        """
        if self.remaining(outcomes) == 0:
            return f"the budget of {self.candidates} candidates is spent"
        if asked >= _MOST_ASKS * self.candidates:
            return (
                f"{asked} candidates were asked for, {_MOST_ASKS} times the budget, and most were rejected "
                f"or known already; a larger or freer search space would help"
            )
        return None


def spent(outcomes: Mapping[int, Outcome]) -> float:
    """Candidates of the budget that were used; the task loss, id 0, is free."""
    return sum((outcome.cost for outcome in outcomes.values() if outcome.id != 0), start=0.0)
