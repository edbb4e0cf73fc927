"""Where the time of a process goes: seconds by stage, added up per thread while it works.

Stages nest, and each second belongs to one of them, the innermost: what `kernels` takes within `training` is taken off
`training`. A stage costs about a microsecond. Work elsewhere is timed by `timed_call`, whose seconds travel back with
its result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")

REST = "other"
"""The stage of what no stage claims."""

WAITING = "waiting"
"""The stage of a process that waits for work done elsewhere."""

_SPLIT = ("training", "tuning")


class _Counter(threading.local):
    """The seconds so far, the stage at work, and what the stages within it have taken."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.name = REST
        self.inner = 0.0


_counter = _Counter()


class stage:
    """Count a block towards a stage, less the stages within the block.

    Args:
        name: of the stage.

    Example:
        >>> before = seconds()
        >>> with stage("tuning"):
        ...     total = sum(range(1000))
        >>> seconds()["tuning"] > before.get("tuning", 0.0)
        True
    """

    __slots__ = ("_inner", "_name", "_outer", "_start")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._outer, self._inner = _counter.name, _counter.inner
        _counter.name, _counter.inner = self._name, 0.0
        self._start = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        elapsed, taken = time.perf_counter() - self._start, _counter.seconds
        taken[self._name] = taken.get(self._name, 0.0) + elapsed - _counter.inner
        _counter.name, _counter.inner = self._outer, self._inner + elapsed


def timed(name: str) -> Callable[[Callable[Parameters, Value]], Callable[Parameters, Value]]:
    """Decorate a function so that its calls count towards a stage.

    Kernels are a stage of their own within training and tuning alone; elsewhere, as in the filters, they are a part of
    what they are used for.

    Args:
        name: of the stage.
    """

    def decorate(function: Callable[Parameters, Value]) -> Callable[Parameters, Value]:
        @wraps(function)
        def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
            if name == "kernels" and _counter.name not in _SPLIT:
                return function(*args, **kwargs)
            with stage(name):
                return function(*args, **kwargs)

        return call

    return decorate


def timed_call(
    name: str, function: Callable[Parameters, Value], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> tuple[Value, dict[str, float]]:
    """Call a function, in whatever process, and tell where its time went.

    Its seconds are the caller's to `add`. A stage that is at work around the call does not count them.

    Args:
        name: stage of what no stage within the function claims.
        function: what to call.
        *args: its arguments.
        **kwargs: the same by keyword.

    Returns:
        The function's value, and seconds by stage; they add up to the time of the call.
    """
    kept, _counter.seconds = _counter.seconds, {}
    try:
        with stage(name):
            value = function(*args, **kwargs)
        return value, _counter.seconds
    finally:
        _counter.seconds = kept


def add(more: Mapping[str, float]) -> None:
    """Add seconds by stage that were taken elsewhere."""
    for name, taken in more.items():
        _counter.seconds[name] = _counter.seconds.get(name, 0.0) + taken


def seconds() -> dict[str, float]:
    """Seconds by stage of this thread so far."""
    return dict(_counter.seconds)


def current() -> str:
    """The stage at work; `other` when there is none."""
    return _counter.name
