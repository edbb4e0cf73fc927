"""Define `Progress`, the message of a run to its callback, and `Stopwatch`, which measures its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from automl_loss.engine import clock
from automl_loss.engine.clock import WAITING
from automl_loss.plugins.outcome import Outcome

STAGES = ("training", "kernels", "tuning", "filters", "strategy", "ledger", "table", "other", WAITING)
"""Stages of a search's profile; `Stopwatch.profile` describes them."""
OVERHEAD = ("filters", "strategy", "ledger", "table", WAITING)
"""Stages that neither train nor tune."""


@dataclass(frozen=True)
class Progress:
    """One message of a run to its callback.

    Args:
        stage: `learning_rate`, `search`, `handcrafted`, `finalists`, `retraining_rate`, `retraining` or `done`.
        done: amount of work finished: candidates of the budget in `search`, else training runs.
        total: amount of work in all, counted as in `done`.
        generation: the current generation; -1 for the task loss and outside of the search.
        generation_done: whether this message ends the generation.
        best: best outcomes so far, best first.
        task_loss: outcome of the task loss, trial 0, once it is known.
        counts: outcomes so far by status.
        message: a sentence for the user; may be empty.
        seconds: time of the run so far.
        metric: the metric's name.
        show: converts a fitness to the metric's own sense.
    """

    stage: str
    done: float = 0.0
    total: float = 0.0
    generation: int = -1
    generation_done: bool = False
    best: Sequence[Outcome] = ()
    task_loss: Outcome | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    seconds: float = 0.0
    metric: str = ""
    show: Callable[[float], float] = float


Callback = Callable[[Progress], None]


class Stopwatch:
    """Measures the time of a run: by phase, one after the other, and by stage within the search.

    Phases are wall seconds of the main process. Stages are seconds of work in any process: see `profile`. The time
    of earlier sessions is included, as far as `spent` recorded it; so is the replay of a resumed run.
    """

    def __init__(self) -> None:
        self._phases: dict[str, float] = {}
        self._earlier: list[Mapping[str, Any]] = []
        self._search: dict[str, Any] | None = None
        self._before = clock.seconds()
        self._started = time.perf_counter()

    def resume(self, sessions: Iterable[Mapping[str, Any]]) -> None:
        """Add the time of earlier sessions of the run.

        Args:
            sessions: the result of `spent` at the end of each.
        """
        self._earlier = list(sessions)

    def spent(self, workers: int) -> dict[str, Any]:
        """Return this session's time so far, as plain data: `seconds` and `profile` of the search, and `phases`."""
        return {**(self._search or self._searching(workers)), "phases": dict(self._phases)}

    def end_search(self, workers: int) -> None:
        """Fix the search's seconds and profile, as it is over."""
        self._search = self._searching(workers)

    def _searching(self, workers: int) -> dict[str, Any]:
        seconds = self.elapsed
        return {"seconds": seconds, "profile": self.profile(seconds, workers)}

    def search(self, workers: int) -> tuple[float, dict[str, float]]:
        """Return seconds and profile of the search, learning rate included, in all sessions."""
        sessions = [*self._earlier, self.spent(workers)]
        profiles = [session["profile"] for session in sessions]
        return sum(session["seconds"] for session in sessions), _added(profiles)

    @property
    def phases(self) -> dict[str, float]:
        """Return wall seconds by phase, in all sessions."""
        return _added([*(session["phases"] for session in self._earlier), self._phases])

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count a block towards a phase of the run."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._phases[name] = self._phases.get(name, 0.0) + time.perf_counter() - start

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Count a block towards a stage, less the stages within it."""
        return clock.stage(name)

    def profile(self, seconds: float, workers: int) -> dict[str, float]:
        """Return the seconds of each stage of the search in this session.

        Every second of every worker is in one stage, so that they add up to `seconds * workers`:

        - `training`, `tuning`: networks under the losses, and meta-gradients, without `kernels`: values and
          derivatives of the losses within these two;
        - `filters`: checks of whether a candidate is worth training;
        - `strategy`: ask and tell; `ledger`: recording; `table`: leaderboard and progress, the caller's included;
        - `other`: the rest of an evaluator's work and of the main process's;
        - `waiting`: workers without work: while they start, while the main process does its own work, and while
          another worker's chunk takes longer.

        With one worker the main process is the worker. With several it is an extra one, whose seconds are subtracted
        from the workers' waiting; if it works longer than they wait, as with very fast workers, `waiting` is 0 and
        the sum is larger by the rest.

        Args:
            seconds: wall time of the search.
            workers: processes that can work at once, the main process not counted unless it is the only one.
        """
        taken = {
            name: value - self._before.get(name, 0.0)
            for name, value in clock.seconds().items()
            if name != WAITING
        }
        other = sum(value for name, value in taken.items() if name not in STAGES)
        profile = {name: taken.get(name, 0.0) for name in STAGES[:-1]}
        profile["other"] += other
        return {**profile, WAITING: max(0.0, seconds * workers - sum(profile.values()))}

    @property
    def elapsed(self) -> float:
        """Return the seconds since the stopwatch was made."""
        return time.perf_counter() - self._started


def _added(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Add up seconds by name."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


def overhead(profile: Mapping[str, float]) -> float:
    """Return the share of a search's time that is neither training, tuning nor other evaluation, from 0 to 1."""
    whole = sum(profile.values())
    return sum(profile.get(name, 0.0) for name in OVERHEAD) / whole if whole else 0.0
