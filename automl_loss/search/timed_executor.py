"""An executor that also tells where its workers' time goes."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from automl_loss.engine import clock
from automl_loss.plugins.executor import Executor, Item, Result

WAITING = "waiting"

Timed = tuple[tuple[Result, dict[str, float]], tuple[str, int]]


class TimedExecutor(Executor):
    """Runs work on another executor; the seconds by stage of each item come back with its result.

    They are added to the clock of the process that takes the result. What the stages within the work leave
    counts towards the stage that was at work when `map` was called.

    Args:
        executor: does the work, wherever it does.
    """

    def __init__(self, executor: Executor) -> None:
        super().__init__(executor.config, executor.threads)
        self._executor = executor
        self._places: set[tuple[str, int]] = set()

    @property
    def workers(self) -> int:
        """Workers of the executor: as it says, or else as many processes as have sent a result."""
        return int(getattr(self._executor, "workers", None) or max(1, len(self._places)))

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See `Executor.map`."""
        found: Iterator[Timed[Result]] = self._executor.map(partial(_timed, clock.current(), function), items)
        return self._taken(found)

    def _taken(self, found: Iterator[Timed[Result]]) -> Iterator[Result]:
        while True:
            try:
                # Work in this process is not waiting: its seconds come with its result.
                with clock.stage(WAITING):
                    (result, seconds), place = next(found)
            except StopIteration:
                return
            self._places.add(place)
            clock.add(seconds)
            yield result

    def close(self) -> None:
        """See `Executor.close`."""
        self._executor.close()


def _timed(name: str, function: Callable[[Item], Result], item: Item) -> Timed[Result]:
    """In a worker: the result with its seconds by stage, and the process."""
    return clock.timed_call(name, function, item), (platform.node(), os.getpid())
