"""What a run tells of itself while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from automl_loss.engine import clock
from automl_loss.plugins.outcome import Outcome
from automl_loss.search.timed_executor import WAITING

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

    Phases are wall seconds of this process. Stages are seconds of work wherever it is done: see `profile`.
    """

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._before = clock.seconds()
        self._started = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count a block towards a phase of the run."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.perf_counter() - start

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Count a block towards a stage, less the stages within it."""
        return clock.stage(name)

    def profile(self, seconds: float, workers: int) -> dict[str, float]:
        """Where the time of the search went, by stage, in this session; a resumed run counts afresh.

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


def overhead(profile: Mapping[str, float]) -> float:
    """Share of a search's time that is neither training, tuning nor the rest of evaluating, from 0 to 1."""
    whole = sum(profile.values())
    return sum(profile.get(name, 0.0) for name in OVERHEAD) / whole if whole else 0.0
