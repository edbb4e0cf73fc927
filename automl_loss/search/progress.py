"""What a run tells of itself while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from automl_loss.plugins.outcome import Outcome


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
    """Seconds of the main process by stage; stages do not nest."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count a block towards a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    @property
    def elapsed(self) -> float:
        """Seconds since the stopwatch was made."""
        return time.perf_counter() - self._started
