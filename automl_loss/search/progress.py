"""What a run tells of itself while it runs."""

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
"""Stages of a search's profile; `Stopwatch.profile` says what they are."""
OVERHEAD = ("filters", "strategy", "ledger", "table", WAITING)
"""Those that train and tune nothing."""


@dataclass(frozen=True)
class Progress:
    """One message of a run to its callback.

    Args:
        stage: `learning_rate`, `search`, `handcrafted`, `finalists`, `retraining_rate`, `retraining` or `done`.
        done: units finished: candidates of the budget in `search`, else training runs.
        total: units in all.
        generation: the generation at work; -1 for the task loss and outside of the search.
        generation_done: whether this message ends the generation.
        best: best outcomes so far, best first.
        task_loss: outcome of the task loss, trial 0, once it is known.
        counts: outcomes so far by status.
        message: a sentence, where there is something to say.
        seconds: time of the run so far.
        metric: the metric's name.
        show: gives a fitness in the metric's own sense.
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
    """Where the time of a run goes: by phase, one after the other, and by stage within the search.

    Phases are wall seconds of the main process. Stages are seconds of work wherever it is done: see `profile`. What
    a run took in earlier sessions counts, as far as it was `spent`; so does the replay of a resumed one.
    """

    def __init__(self) -> None:
        self._phases: dict[str, float] = {}
        self._earlier: list[Mapping[str, Any]] = []
        self._search: dict[str, Any] | None = None
        self._before = clock.seconds()
        self._started = time.perf_counter()

    def resume(self, sessions: Iterable[Mapping[str, Any]]) -> None:
        """Count what earlier sessions of the run spent.

        Args:
            sessions: what `spent` gave at the end of each.
        """
        self._earlier = list(sessions)

    def spent(self, workers: int) -> dict[str, Any]:
        """What this session has taken so far, as plain data: `seconds` and `profile` of the search, and `phases`."""
        return {**(self._search or self._searching(workers)), "phases": dict(self._phases)}

    def end_search(self, workers: int) -> None:
        """The search is over: its seconds and its profile stand."""
        self._search = self._searching(workers)

    def _searching(self, workers: int) -> dict[str, Any]:
        seconds = self.elapsed
        return {"seconds": seconds, "profile": self.profile(seconds, workers)}

    def search(self, workers: int) -> tuple[float, dict[str, float]]:
        """Seconds and profile of the search, learning rate included, in all sessions."""
        sessions = [*self._earlier, self.spent(workers)]
        profiles = [session["profile"] for session in sessions]
        return sum(session["seconds"] for session in sessions), _added(profiles)

    @property
    def phases(self) -> dict[str, float]:
        """Wall seconds by phase, in all sessions."""
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
        """Where the time of the search went, by stage, in this session.

        Every second of every worker is in one stage, so that they add up to `seconds * workers`:

        - `training`, `tuning`: networks under the losses, and meta-gradients, without `kernels`: values and
          derivatives of the losses within these two;
        - `filters`: all that decides whether a candidate is worth training;
        - `strategy`: ask and tell; `ledger`: recording; `table`: leaderboard and progress, the caller's included;
        - `other`: the rest of an evaluator's work and of the main process's;
        - `waiting`: workers without work: they start, the main process is at its own work, a chunk takes longer than
          its neighbour.

        With one worker the main process is the worker. With several it is an extra one, whose work takes the place of
        a worker's waiting; should it do more than they wait, as with very fast workers, `waiting` is 0 and the sum
        is larger by the rest.

        Args:
            seconds: wall time of the search.
            workers: processes that can work at once, besides the main process unless there is one alone.
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
        """Seconds since the stopwatch was made."""
        return time.perf_counter() - self._started


def _added(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Seconds by name, added up."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


def overhead(profile: Mapping[str, float]) -> float:
    """Share of a search's time that is neither training, tuning nor the rest of evaluating, from 0 to 1."""
    whole = sum(profile.values())
    return sum(profile.get(name, 0.0) for name in OVERHEAD) / whole if whole else 0.0
