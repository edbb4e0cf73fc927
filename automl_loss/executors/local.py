"""Executor `local`: worker processes on this machine, one thread each by default."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field, PositiveInt

from automl_loss.errors import EvaluationError, WorkerLostError
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.executor import Executor, Failure, Item, Result

_TRIES = 2
"""How often a chunk is begun again whose worker process ended."""

_SET_UP_S = 60.0
"""The least limit on the start of workers, which may take longer than a chunk."""
_LOST = object()
"""Stands for the result of a chunk whose worker process ended."""

_KILLED = (
    "its worker process was killed {times} times, most likely for lack of memory. What was finished is recorded: go on "
    "with --resume, with fewer `executor.workers` or a smaller `executor.chunk`."
)

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


class LocalExecutor(Executor):
    """Runs chunks in worker processes on this machine, or in this process when there is one worker."""

    plugin_api = 2

    class Config(PluginConfig):
        """Options of the local executor."""

        workers: PositiveInt | None = Field(
            None, description="worker processes; null: as many as there are cores for `threads` each"
        )

    def __init__(self, config: Any, threads: int = 1) -> None:
        super().__init__(config, threads)
        self.workers: int = config.workers or max(1, cores() // threads)
        self._pool: Any = None

    def map(
        self, function: Callable[[Item], Result], chunks: Sequence[Item], *, deadline: float | None = None
    ) -> Iterator[tuple[int, Result | Failure]]:
        """See `Executor.map`. A chunk that is to have a deadline runs in a worker process, also the only one."""
        alone = self.workers == 1 or (len(chunks) == 1 and self._pool is None)
        if alone and deadline is None:
            return _in_this_process(function, chunks)
        return self._parallel(function, chunks, deadline)

    def _parallel(
        self, function: Callable[[Item], Result], chunks: Sequence[Item], deadline: float | None
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Results as they arrive. When the caller goes away, the few chunks that were handed over are left to end."""
        from concurrent.futures.process import BrokenProcessPool

        waiting = deque(_Chunk(index, chunk) for index, chunk in enumerate(chunks))
        running: dict[Any, _Chunk] = {}
        while waiting or running:
            self._hand_over(function, waiting, running, deadline)
            done = _first_done(running, deadline)
            lost = []
            for future in done:
                chunk, result = running.pop(future), _result(future)
                if result is _LOST:
                    lost.append(chunk)
                    continue
                if isinstance(result, Failure) and isinstance(result.error, BrokenProcessPool):
                    self.close()
                yield chunk.index, result
            if lost:
                # One process that ends breaks the pool: every chunk at work is lost with it.
                lost += running.values()
                running.clear()
                self.close()
                yield from self._begin_again(lost, waiting)
            elif not done and deadline is not None:
                yield from self._end_overdue(running, waiting, deadline)

    def _hand_over(
        self,
        function: Callable[[Item], Result],
        waiting: deque[_Chunk],
        running: dict[Any, _Chunk],
        deadline: float | None,
    ) -> None:
        """Give chunks to the workers; one whose worker was lost before runs alone, so that it alone is to blame."""
        from concurrent.futures.process import BrokenProcessPool

        # One more a worker, so that none waits for this process. With a deadline no chunk waits in a queue, nor for its
        # worker, so that its time begins when it is handed over.
        ahead = 2 * self.workers if deadline is None else self.workers
        while waiting and len(running) < ahead:
            suspects = waiting[0].lost or any(chunk.lost for chunk in running.values())
            if suspects and running:
                return
            if deadline is not None:
                self._wait_for_workers(function, max(_SET_UP_S, deadline))
            chunk = waiting.popleft()
            chunk.since = time.monotonic()
            try:
                pool = self._start()
                with _without_interrupts():
                    running[pool.submit(function, chunk.items)] = chunk
            except BrokenProcessPool:
                # A worker ended while it had nothing to do.
                waiting.appendleft(chunk)
                self.close()
                return

    def _wait_for_workers(self, function: Callable[[Any], Any], limit: float) -> None:
        """Return once every worker of a fresh pool has what the function brings along: its engine, say.

        Raises:
            EvaluationError: that takes longer than the limit, or workers end as soon as they start.
        """
        from concurrent.futures.process import BrokenProcessPool

        fresh, broken = self._pool is None, 0
        while fresh:
            try:
                ready = partial(_process, function)
                pool = self._start()
                with _without_interrupts():
                    pool.submit(abs, 0)
                if len(set(pool.map(ready, range(2 * self.workers), timeout=limit))) >= self.workers:
                    return
            except TimeoutError as error:
                self.close()
                raise EvaluationError(
                    f"worker processes were not ready after {limit:g} s: they import torch, load the data and build "
                    f"the network first. Raise `executor.timeout_s`."
                ) from error
            except BrokenProcessPool as error:
                self.close()
                broken += 1
                if broken > _TRIES:
                    raise EvaluationError(f"worker processes end as soon as they start ({error}).") from error

    def _begin_again(self, lost: Sequence[_Chunk], waiting: deque[_Chunk]) -> Iterator[tuple[int, Failure]]:
        """Begin chunks whose worker ended again, before all others; those that were begun often enough fail."""
        # The one that ran alone is to blame; of several at work, nobody knows which one is.
        for chunk in sorted(lost, key=lambda chunk: chunk.index, reverse=True):
            chunk.lost += 1
            if chunk.lost <= _TRIES:
                waiting.appendleft(chunk)
        for chunk in lost:
            if chunk.lost > _TRIES:
                yield chunk.index, Failure(WorkerLostError(_KILLED.format(times=chunk.lost)))

    def _end_overdue(
        self, running: dict[Any, _Chunk], waiting: deque[_Chunk], deadline: float
    ) -> Iterator[tuple[int, Failure]]:
        """End the workers of chunks that took too long; their neighbours are begun again."""
        over = [each for each in running.values() if time.monotonic() - each.since >= deadline]
        if not over:
            return
        self.close()
        waiting.extendleft(each for each in running.values() if each not in over)
        running.clear()
        for each in over:
            yield each.index, Failure(TimeoutError(f"it took longer than {deadline:g} s and was ended."))

    def _start(self) -> Any:
        if self._pool is None:
            from loky import ProcessPoolExecutor

            _ensure_tracker()
            self._pool = ProcessPoolExecutor(
                max_workers=self.workers,
                initializer=prepare_worker,
                initargs=(self.threads, os.getpid()),
                env={
                    **{
                        name: str(self.threads)
                        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
                    },
                    # Threads that spin while they wait take the cores from those they wait for: with two threads on two
                    # busy cores that doubles the time.
                    "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
                },
            )
        return self._pool

    def close(self) -> None:
        """Stop the workers, at work or not."""
        if self._pool is not None:
            _ensure_tracker()
            self._pool.shutdown(wait=True, kill_workers=True)
            self._pool = None


@dataclass(eq=False)
class _Chunk:
    """A chunk on its way: since when it is at work, and how often its worker ended."""

    index: int
    items: Any
    since: float = 0.0
    lost: int = 0


def _first_done(running: dict[Any, _Chunk], deadline: float | None) -> set[Any]:
    """The futures that are done, once one is, or none when the first deadline is over."""
    from concurrent.futures import FIRST_COMPLETED, wait

    rest = None
    if deadline is not None:
        rest = max(0.0, min(each.since for each in running.values()) + deadline - time.monotonic())
    return wait(running, timeout=rest, return_when=FIRST_COMPLETED).done if running else set()


def _ensure_tracker() -> None:
    """Have the processes that track semaphores run, loky's and Python's, with nothing to say.

    They are started before `_without_interrupts` matters, as that unblocks Ctrl-C. One that takes the place of a
    killed one knows nothing of earlier semaphores, and would print a traceback for each when they are given back.
    """
    from multiprocessing import resource_tracker as of_python

    from loky.backend import resource_tracker

    said = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            resource_tracker.ensure_running()
            of_python.ensure_running()
    finally:
        os.dup2(said, 2)
        os.close(said)
        os.close(nowhere)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back within a block: processes that it starts are born with it blocked, and do not end by it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _process(function: Any, _: int) -> int:
    """The worker's process, after a moment in which others can be asked; it has unpickled the function by then."""
    time.sleep(0.05)
    return os.getpid()


def _in_this_process(
    function: Callable[[Item], Result], chunks: Sequence[Item]
) -> Iterator[tuple[int, Result | Failure]]:
    for index, chunk in enumerate(chunks):
        try:
            value: Result | Failure = function(chunk)
        except Exception as error:
            value = Failure.of(error)
        yield index, value


def _result(future: Any) -> Any:
    """What a future gave, or its failure, or `_LOST`."""
    from loky.process_executor import TerminatedWorkerError

    error = future.exception()
    if error is None:
        return future.result()
    return _LOST if isinstance(error, TerminatedWorkerError) else Failure.of(error)


def cores() -> int:
    """Cores this process may use, container limits included."""
    from loky import cpu_count

    return int(cpu_count())


def prepare_worker(threads: int, parent: int) -> None:
    """Ctrl-C is the main process's business, and threads are as the recipe says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _keep_freed_memory()
    _keep_memory_in_use()
    import torch

    torch.set_num_threads(threads)


def _keep_memory_in_use() -> None:
    """Have loky take no worker for one that leaks: where psutil is installed it restarts those that grow by 300 MB.

    Engines, with their data and kernels, are meant to stay.
    """
    from loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize


def _keep_freed_memory() -> None:
    """Have the C library keep what is freed: given back to the system, each training step would fault it in anew.

    By mallopt (glibc; other libraries are left alone): 5-10 % of the time of small networks.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if adjust is not None:
        adjust(_MMAP_THRESHOLD, 2**30)
        adjust(_TRIM_THRESHOLD, 2**31 - 1)
        adjust(_TOP_PAD, 2**26)


def _end_with(parent: int) -> None:
    """End this process once its parent is gone: a worker of a run that was killed would wait for ever."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
