"""The clock of `budget.minutes`: wall time of a run in all its sessions, its final stages included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.workers import Workers

_KEY = "elapsed/"
"""Chunk records of the seconds that each session spent, by session."""
_MOST_RESERVED = 0.5
"""Largest share of the limit that the search leaves to the final stages."""


class RunClock:
    """Seconds of a run, of which the replay of what is on record does not count.

    Workers begin no chunk of work once the time that they have been given is over.

    Args:
        minutes: the limit; `None`: none.
        records: where the time of each session is kept.
        workers: to be told when to stop.
    """

    def __init__(self, minutes: float | None, records: ChunkRecords, workers: Workers) -> None:
        self.minutes = minutes
        self._records = records
        self._workers = workers
        self._before: float = sum(records.recall_prefix(_KEY).values())
        self._started = time.perf_counter()
        self._replayed = 0.0

    @property
    def seconds(self) -> float:
        """Return the seconds spent in all sessions."""
        return self._before + self._session

    @property
    def _session(self) -> float:
        return time.perf_counter() - self._started - self._replayed

    @contextmanager
    def replaying(self) -> Iterator[None]:
        """Leave out the time of a block, which repeats what is on record."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._replayed += time.perf_counter() - begun

    def over(self, reserve: float = 0.0) -> bool:
        """Whether the time is used up.

        Args:
            reserve: seconds to leave to what comes after; at most half of the limit is left.
        """
        return self.minutes is not None and self._rest(reserve) <= 0

    def limit_workers(self, reserve: float = 0.0) -> None:
        """Have workers stop when the time is used up."""
        if self.minutes is not None:
            self._workers.until = time.monotonic() + self._rest(reserve)

    def release_workers(self) -> None:
        """Have workers work whatever the time."""
        self._workers.until = None

    def keep(self) -> None:
        """Record what this session spent so far."""
        self._records.remember(f"{_KEY}{self._records.session}", self._session)

    def _rest(self, reserve: float) -> float:
        limit = 60.0 * (self.minutes or 0.0)
        return limit - min(reserve, _MOST_RESERVED * limit) - self.seconds
