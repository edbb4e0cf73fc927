"""End a call of a plugin's code in this process that takes too long: an import, set-up, `ask`, `tell`.

A timer of the system interrupts Python code, also where it sleeps or waits. Code that is stuck in a C function does not
see that; the process then ends with the traceback of where it is stuck, and a run goes on with `--resume`. Work that is
sent to workers has limits of its own: see `Executor.map`.

Only the main thread of a process on a POSIX system can be interrupted; elsewhere there is no limit.
"""

from __future__ import annotations

import faulthandler
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType

IMPORT_VARIABLE = "AUTOLOSS_IMPORT_TIMEOUT_S"
"""Environment variable: seconds that the import of a plugin or of the user's own module may take."""
_IMPORT_S = 120.0
_AGAIN_S = 1.0
"""Interval at which code that swallowed the interruption is interrupted again."""
_STUCK_S = 10.0
"""Seconds after the limit at which the process is ended, where it could not be interrupted."""


class _Overdue(BaseException):
    """Interrupts the code; no `Exception`, so that a plugin that catches everything does not catch this."""

    def __init__(self, limit: _Limit) -> None:
        self.limit = limit


@dataclass(eq=False)
class _Limit:
    """A limit that is in force.

    Args:
        until: when it is over, by `time.monotonic`; `None`: never, which also suspends those around it.
    """

    until: float | None


_limits: list[_Limit] = []
"""The limits in force in the main thread, outermost first. The timer is the process's, and so are these."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Limit the time of a block.

    Args:
        seconds: that it may take; `None`: no limit.

    Raises:
        TimeoutError: it took longer and was ended; its traceback leads to the line that was interrupted.
    """
    if seconds is None or not _interruptible():
        yield
        return
    limit = _Limit(time.monotonic() + seconds)
    with _in_force(limit):
        try:
            yield
        except _Overdue as overdue:
            if overdue.limit is not limit:
                raise
            error = TimeoutError(f"it took longer than {seconds:g} s and was ended")
            raise error.with_traceback(_without_handler(overdue.__traceback__)) from None


@contextmanager
def suspended() -> Iterator[None]:
    """Stop the clock of all limits within a block, which waits for work that has limits of its own."""
    if not _limits:
        yield
        return
    begun = time.monotonic()
    with _in_force(_Limit(None)):
        try:
            yield
        finally:
            for limit in _limits:
                if limit.until is not None:
                    limit.until += time.monotonic() - begun


def import_limit() -> float:
    """Return the seconds that an import may take: what `AUTOLOSS_IMPORT_TIMEOUT_S` says, or 120."""
    try:
        return float(os.environ[IMPORT_VARIABLE])
    except (KeyError, ValueError):
        return _IMPORT_S


def _interruptible() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextmanager
def _in_force(limit: _Limit) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _interrupt)
    _limits.append(limit)
    try:
        _set_timer()
        yield
    finally:
        _limits.remove(limit)
        _set_timer()
        signal.signal(signal.SIGALRM, before)


def _nearest() -> _Limit | None:
    """The limit that is over first; none while a block is suspended."""
    if not _limits or _limits[-1].until is None:
        return None
    return min((limit for limit in _limits if limit.until is not None), key=lambda limit: limit.until or 0.0)


def _set_timer() -> None:
    nearest = _nearest()
    if nearest is None or nearest.until is None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        faulthandler.cancel_dump_traceback_later()
        return
    rest = max(1e-3, nearest.until - time.monotonic())
    signal.setitimer(signal.ITIMER_REAL, rest, _AGAIN_S)
    stream = sys.__stderr__
    try:
        if stream is not None:
            faulthandler.dump_traceback_later(rest + _STUCK_S, exit=True, file=stream)
    except (OSError, ValueError, io.UnsupportedOperation):
        # There is no stderr to write to, so nobody could be told why the process ended.
        faulthandler.cancel_dump_traceback_later()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    nearest = _nearest()
    if nearest is not None and nearest.until is not None and time.monotonic() >= nearest.until:
        raise _Overdue(nearest)


def _without_handler(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of this module, so that its last line is the one that was interrupted."""
    kept = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            kept.append(trace)
        trace = trace.tb_next
    chain = None
    for each in reversed(kept):
        chain = TracebackType(chain, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return chain
