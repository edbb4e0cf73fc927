"""An executor that outlives a run, so that the next run in the same process finds its workers started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from automl_loss.executors.local import LocalExecutor
from automl_loss.plugins.executor import Executor, Failure, Item, Result


class KeptExecutor(Executor):
    """Hands chunks to another executor, and leaves that one's workers alone when it is closed.

    Args:
        executor: whose workers are kept; they end with this process.
    """

    plugin_api = 2

    def __init__(self, executor: LocalExecutor) -> None:
        super().__init__(executor.config, executor.threads)
        self.workers = executor.workers
        self._executor = executor

    def map(
        self, function: Callable[[Item], Result], chunks: Sequence[Item], *, deadline: float | None = None
    ) -> Iterator[tuple[int, Result | Failure]]:
        """See `Executor.map`."""
        return self._executor.map(function, chunks, deadline=deadline)


@cache
def kept_executor(workers: int | None, threads: int) -> KeptExecutor:
    """The executor of this process with so many workers."""
    return KeptExecutor(LocalExecutor(LocalExecutor.Config(workers=workers), threads))
