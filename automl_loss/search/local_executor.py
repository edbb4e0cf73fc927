"""Executor `local`: worker processes on this machine, one thread each by default."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import Field, PositiveInt

from automl_loss.errors import EvaluationError
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.executor import Executor, Item, Result

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


class LocalExecutor(Executor):
    """Runs chunks in worker processes on this machine, or in this process when there is one worker."""

    plugin_api = 1

    class Config(PluginConfig):
        """Options of the local executor."""

        workers: PositiveInt | None = Field(
            None, description="worker processes; null: as many as there are cores for `threads` each"
        )

    def __init__(self, config: Any, threads: int = 1) -> None:
        super().__init__(config, threads)
        self.workers: int = config.workers or max(1, cores() // threads)
        self._pool: Any = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See `Executor.map`."""
        work = list(items)
        if self.workers == 1 or (len(work) == 1 and self._pool is None):
            return map(function, work)
        return self._parallel(function, work)

    def _parallel(self, function: Callable[[Item], Result], work: list[Item]) -> Iterator[Result]:
        from loky.process_executor import TerminatedWorkerError

        futures = [self._start().submit(function, item) for item in work]
        # What is left when the caller goes away is not cancelled: `close` ends it with the workers.
        try:
            for future in futures:
                yield future.result()
        except TerminatedWorkerError as error:
            raise EvaluationError(
                "a worker process was killed, most likely for lack of memory. What was finished is recorded: "
                "go on with --resume, with fewer `executor.workers` or a smaller `executor.chunk`."
            ) from error

    def _start(self) -> Any:
        if self._pool is None:
            from loky import ProcessPoolExecutor

            self._pool = ProcessPoolExecutor(
                max_workers=self.workers,
                initializer=prepare_worker,
                initargs=(self.threads, os.getpid()),
                env={
                    name: str(self.threads)
                    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
                },
            )
        return self._pool

    def close(self) -> None:
        """Stop the workers, at work or not."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
            self._pool = None


def cores() -> int:
    """Cores this process may use, container limits included."""
    from loky import cpu_count

    return int(cpu_count())


def prepare_worker(threads: int, parent: int) -> None:
    """Ctrl-C is the main process's business, and threads are as the recipe says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _keep_freed_memory()
    import torch

    torch.set_num_threads(threads)


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
