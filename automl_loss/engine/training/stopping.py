"""The stopping rule: which step of a training run counts. One rule for every method and stage.

`best_validation` takes the look with the lowest validation metric, the first of equal ones; `last` takes the last
step. The metric is looked at every 2 % of the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_loss.engine.settings import StopRule

_LOOKS = 50


def looks_of(steps: int, rungs: Sequence[int] = ()) -> list[int]:
    """Steps, counted from 1, after which the metric is taken: every 2 %, the rungs, and the last.

    Example:
        >>> looks_of(3), looks_of(500)[:3]
        ([1, 2, 3], [10, 20, 30])
    """
    regular = {max(1, round(steps * k / _LOOKS)) for k in range(1, _LOOKS + 1)}
    return sorted(regular | {rung for rung in rungs if rung <= steps})


class Stopping:
    """Applies the rule to several training runs at once.

    Args:
        rule: which step counts.
        rungs: steps at which the value so far is noted.
        width: number of runs.
        earlier: what `state` gave for each run that goes on after a pause; none: fresh runs.
    """

    def __init__(
        self, rule: StopRule, rungs: Sequence[int], width: int, earlier: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self._rule = rule
        self._at_rungs = frozenset(rungs)
        self.best = np.array([run["best"] for run in earlier] or [np.inf] * width)
        self.best_step = np.array([run["best_step"] for run in earlier] or [0] * width)
        fresh: list[list[float]] = [[] for _ in range(width)]
        self.curves = [list(run["curve"]) for run in earlier] or fresh
        self.rungs = [list(run["rungs"]) for run in earlier] or [list[float]() for _ in range(width)]

    def look(
        self, values: npt.NDArray[np.float64], alive: npt.NDArray[np.bool_], step: int
    ) -> npt.NDArray[np.bool_]:
        """Take the metric `(runs,)` after a step; runs that are not alive are passed over.

        Returns:
            `(runs,)`, for which runs the rule now chooses this step.
        """
        chosen = alive & ((values < self.best) if self._rule == "best_validation" else True)
        self.best = np.where(chosen, values, self.best)
        self.best_step = np.where(chosen, step, self.best_step)
        for i in np.flatnonzero(alive):
            self.curves[i].append(float(values[i]))
            if step in self._at_rungs:
                self.rungs[i].append(float(self.best[i]))
        return chosen

    def state(self, run: int) -> dict[str, Any]:
        """What was seen of a run, as plain data, for one that goes on later."""
        return {
            "best": float(self.best[run]),
            "best_step": int(self.best_step[run]),
            "curve": self.curves[run],
            "rungs": self.rungs[run],
        }
