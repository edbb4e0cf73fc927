"""Workers: an executor, with a clock on all that it does and a name for whatever goes wrong there."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from automl_loss.engine import clock
from automl_loss.errors import OutOfTimeError, PluginError
from automl_loss.plugins.executor import Executor, Failure
from automl_loss.plugins.time_limit import suspended

Item = TypeVar("Item")
Value = TypeVar("Value")


class Workers:
    """Runs functions on an executor.

    The seconds by stage of each chunk come back with its result, and are added to the clock of this process. What the
    stages within the work leave counts towards the stage that was at work when `run` was called.

    Args:
        executor: does the work, wherever it does.
        timeout_s: seconds that one item of a chunk may take; `None`: no limit.
    """

    def __init__(self, executor: Executor, timeout_s: float | None = None) -> None:
        self.until: float | None = None
        """When no further chunk is to be begun, by `time.monotonic`; `None`: never."""
        self._executor = executor
        self._timeout_s = timeout_s
        self._processes: set[tuple[str, int]] = set()

    @property
    def count(self) -> int:
        """Workers of the executor: as it says, or else as many processes as have sent a result."""
        return int(getattr(self._executor, "workers", None) or max(1, len(self._processes)))

    def run(
        self, function: Callable[[Item], Value], chunks: Sequence[Item]
    ) -> Iterator[tuple[int, Value | Failure]]:
        """Index and result of each chunk, as they arrive; a failure where the function raised or a worker was lost.

        Args:
            function: pure and picklable.
            chunks: what it is called on, each a sequence of items.

        Raises:
            OutOfTimeError: `until` is over and chunks are open; all that arrived before has been handed on.
            PluginError: the executor gave an index twice, one that there is not, or fewer results than chunks.
        """
        missing = set(range(len(chunks)))
        self._check_time(missing)
        found = self._executor.map(_Work(function, clock.current()), chunks, deadline=self._deadline(chunks))
        while missing:
            # Work in this process is not waiting: its seconds come with its result.
            with clock.stage(clock.WAITING), suspended():
                got = next(found, None)
            if got is None or got[0] not in missing:
                what = "no more results" if got is None else f"a result for chunk {got[0]}"
                raise PluginError(
                    f"executor {type(self._executor).__name__} gave {what} while {len(missing)} of {len(chunks)} "
                    f"chunks were open; it must give each chunk's index once."
                )
            index, done = got
            missing.remove(index)
            if isinstance(done, Failure):
                yield index, done
            else:
                self._processes.add(done.process)
                clock.add(done.seconds)
                yield index, done.value
            self._check_time(missing)

    def _deadline(self, chunks: Sequence[Any]) -> float | None:
        """Seconds that a chunk may take: by its number of items."""
        if self._timeout_s is None:
            return None
        sizes = [len(chunk) if isinstance(chunk, Sized) else 1 for chunk in chunks]
        return self._timeout_s * max(sizes, default=1)

    def _check_time(self, missing: set[int]) -> None:
        if missing and self.until is not None and time.monotonic() >= self.until:
            raise OutOfTimeError(
                f"the time is used up, and {len(missing)} chunks of work are left. What was finished is recorded: "
                f"raise `budget.minutes` and go on with --resume."
            )

    def in_order(self, function: Callable[[Item], Value], chunks: Sequence[Item]) -> list[Value]:
        """The result of each chunk, in order.

        Raises:
            BaseException: what the function raised.
        """
        found: dict[int, Value] = {}
        for index, value in self.run(function, chunks):
            if isinstance(value, Failure):
                raise value.error
            found[index] = value
        return [found[index] for index in range(len(chunks))]

    def close(self) -> None:
        """Release the executor's workers."""
        self._executor.close()


@dataclass(frozen=True)
class _Done(Generic[Value]):
    """What came of a chunk in a worker: its value, its seconds by stage, and the process."""

    value: Value | Failure
    seconds: dict[str, float]
    process: tuple[str, int]


@dataclass(frozen=True)
class _Work(Generic[Item, Value]):
    """A function as a worker calls it: on the clock, and with what it raises as a value."""

    function: Callable[[Item], Value]
    stage: str

    def __call__(self, chunk: Item) -> _Done[Value]:
        value: Any
        try:
            value, seconds = clock.timed_call(self.stage, self.function, chunk)
        except (Exception, SystemExit) as error:
            value, seconds = Failure.of(error), {}
        return _Done(value, seconds, (platform.node(), os.getpid()))
