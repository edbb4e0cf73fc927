"""Keep what plugins change of the process to themselves: torch's defaults, global random states, environment and more.

All plugins of a run share one process, and the core with them. A strategy that sets torch's default dtype would change
the numbers of every other part, and none would say so. `kept` compares these settings before and after a plugin's code
runs, puts back what changed, and warns once, naming the plugin.

Global random states are swapped rather than dropped: a plugin that draws from `random` goes on from its own last state
the next time, as if nobody else drew from there, and nobody else sees that it did.
"""

from __future__ import annotations

import gc
import locale
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import eq, is_
from typing import Any

_LIBRARIES = ("KMP_", "_RJEM_")
"""Environment variables that libraries set for themselves when they are imported (scikit-learn, polars)."""
_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE", "SIGCHLD")
    if hasattr(signal, name)
]
_UNKNOWN = object()
"""Stands for a setting that cannot be read: its library is not imported, say."""


@dataclass(frozen=True)
class _Setting:
    """A setting of the process.

    Args:
        name: in a sentence: "changed ...".
        instead: what a plugin does instead; an imperative.
        get: reads it.
        put: sets it.
        same: compares two values.
        library: module that must be imported for it to be read; empty: none.
        fresh: its value right after the library is imported, where that is known.
        swapped: whether a plugin has its own value, which comes back whenever the plugin runs.
    """

    name: str
    instead: str
    get: Callable[[], Any]
    put: Callable[[Any], object]
    same: Callable[[Any, Any], Any] = eq
    library: str = ""
    fresh: Callable[[], Any] | None = None
    swapped: bool = False

    def read(self) -> Any:
        """Return the value, or `_UNKNOWN`."""
        return self.get() if not self.library or self.library in sys.modules else _UNKNOWN

    def expected(self, before: Any) -> Any:
        """Return the value to compare with, for a library that was imported meanwhile, too."""
        if before is _UNKNOWN and self.fresh is not None and self.library in sys.modules:
            return self.fresh()
        return before


def _torch() -> Any:
    return sys.modules["torch"]


def _numpy_random() -> Any:
    return sys.modules["numpy"].random


def _same_numpy(one: Any, other: Any) -> bool:
    return bool(one[0] == other[0] and one[2:] == other[2:] and (one[1] == other[1]).all())


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _restore_folder(before: str | None) -> None:
    if before is not None:
        os.chdir(before)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_LIBRARIES)}


def _restore_environment(before: dict[str, str]) -> None:
    for name in _environment().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _is_blanket(entry: Any) -> bool:
    """Whether a filter concerns everybody; libraries add ones for their own modules, messages and categories."""
    _, message, category, module, _ = entry
    return message is None and module is None and category.__module__ == "builtins"


def _same_filters(now: list[Any], before: list[Any]) -> bool:
    blanket, others = [each for each in now if _is_blanket(each)], [each for each in now if each in before]
    return blanket == [each for each in before if _is_blanket(each)] and len(others) == len(before)


def _restore_filters(before: list[Any]) -> None:
    added = [each for each in warnings.filters if each not in before and not _is_blanket(each)]
    warnings.resetwarnings()  # tells Python's cache of filters, which a list does not
    warnings.filters[:] = [*added, *before]  # type: ignore[index]


def _handlers() -> Any:
    if threading.current_thread() is not threading.main_thread():
        return _UNKNOWN  # only the main thread may set them
    return [signal.getsignal(number) for number in _SIGNALS]


def _restore_handlers(before: Any) -> None:
    if before is not _UNKNOWN:
        for number, handler in zip(_SIGNALS, before, strict=True):
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def _device() -> Any:
    return _torch().get_default_device()


def _restore_device(before: Any) -> None:
    _torch().set_default_device(None if before.type == "cpu" else before)


def _backends() -> tuple[Any, ...]:
    torch = _torch()
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        torch.get_float32_matmul_precision(),
    )


def _restore_backends(before: tuple[Any, ...]) -> None:
    torch = _torch()
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before[2:4]
    torch.set_float32_matmul_precision(before[4])


_DRAW = "draw from the generator or seed that it is given"
_SETTINGS = (
    _Setting(
        "Python's random state", _DRAW, random.getstate, random.setstate, swapped=True
    ),
    _Setting(
        "numpy's random state", _DRAW, lambda: _numpy_random().get_state(),
        lambda state: _numpy_random().set_state(state), _same_numpy, "numpy", swapped=True,
    ),
    _Setting(
        "torch's random state", _DRAW, lambda: _torch().get_rng_state(),
        lambda state: _torch().set_rng_state(state), lambda a, b: _torch().equal(a, b), "torch", swapped=True,
    ),
    _Setting(
        "torch's default dtype", "give each tensor its dtype", lambda: _torch().get_default_dtype(),
        lambda dtype: _torch().set_default_dtype(dtype), is_, "torch", lambda: _torch().float32,
    ),
    _Setting(
        "torch's default device", "give each tensor its device", _device, _restore_device, eq, "torch",
        lambda: _torch().device("cpu"),
    ),
    _Setting(
        "torch's number of threads", "leave it to `executor.threads`", lambda: _torch().get_num_threads(),
        lambda count: _torch().set_num_threads(count), eq, "torch",
    ),
    _Setting(
        "torch's gradient mode", "use `with torch.no_grad():`", lambda: _torch().is_grad_enabled(),
        lambda enabled: _torch().set_grad_enabled(enabled), eq, "torch", lambda: True,
    ),
    _Setting(
        "torch's deterministic or precision flags", "leave them to the user", _backends, _restore_backends, eq,
        "torch",
    ),
    _Setting(
        "torch's anomaly detection", "use `with torch.autograd.detect_anomaly():`",
        lambda: _torch().is_anomaly_enabled(),
        lambda enabled: _torch().autograd.set_detect_anomaly(enabled), eq, "torch", lambda: False,
    ),
    _Setting(
        "numpy's handling of floating-point errors", "use `with numpy.errstate(...):`",
        lambda: sys.modules["numpy"].geterr(), lambda how: sys.modules["numpy"].seterr(**how), eq, "numpy",
    ),
    _Setting(
        "the warning filters", "use `with warnings.catch_warnings():`", lambda: list(warnings.filters),
        _restore_filters, _same_filters,
    ),
    _Setting(
        "the locale", "format numbers without it", lambda: locale.setlocale(locale.LC_ALL),
        lambda name: locale.setlocale(locale.LC_ALL, name),
    ),
    _Setting(
        "the working directory", "use absolute paths", _folder,
        _restore_folder,
    ),
    _Setting(
        "the environment variables", "hand an `env` to the processes it starts", _environment, _restore_environment
    ),
    _Setting("the signal handlers", "leave them to the program", _handlers, _restore_handlers),
    _Setting("the recursion limit", "use a loop", sys.getrecursionlimit, sys.setrecursionlimit),
    _Setting(
        "the garbage collector", "leave it on", gc.isenabled, lambda on: gc.enable() if on else gc.disable()
    ),
    _Setting(
        "sys.stdout or sys.stderr", "use `with contextlib.redirect_stdout(...):`",
        lambda: (sys.stdout, sys.stderr), lambda both: _restore_streams(*both),
        lambda a, b: a[0] is b[0] and a[1] is b[1],
    ),
)  # fmt: skip
TORCH_RANDOM = "torch's random state"
"""The setting that a model may change: networks are made under a seed of torch's generator, which is put back."""

RANDOM_STATES = tuple(setting.name for setting in _SETTINGS if setting.swapped)
"""The settings that are random states."""


def _restore_streams(out: Any, err: Any) -> None:
    sys.stdout, sys.stderr = out, err


@dataclass
class _Memory:
    """What was said of plugins in this process, and their own random states."""

    said: set[tuple[str, str]] = field(default_factory=set)
    own: dict[str, dict[str, Any]] = field(default_factory=dict)


_MEMORY = _Memory()


def forget() -> None:
    """Begin a run: plugins start from the process's random states, and what they change is said again."""
    _MEMORY.said.clear()
    _MEMORY.own.clear()


class Kept:
    """A stretch of a plugin's code; see `kept`."""

    def __init__(self, who: str, but: Sequence[str]) -> None:
        self._who = who
        self._settings = [each for each in _SETTINGS if each.name not in but]
        self._changed: list[_Setting] = []
        self._outside: list[Any] = []
        self._inside: list[Any] = []
        self._modules = 0

    def enter(self) -> None:
        """Note the settings, and give the plugin its own random states."""
        own = _MEMORY.own.get(self._who, {})
        self._modules = len(sys.modules)
        self._outside = [setting.read() for setting in self._settings]
        self._inside = list(self._outside)
        for place, setting in enumerate(self._settings):
            if setting.swapped and setting.name in own and self._outside[place] is not _UNKNOWN:
                self._inside[place] = own[setting.name]
                setting.put(own[setting.name])

    def leave(self) -> None:
        """Put back what is not as it was noted."""
        for setting, outside, inside in zip(self._settings, self._outside, self._inside, strict=True):
            before = setting.expected(inside)
            if before is _UNKNOWN:
                continue
            now = setting.read()
            if not setting.same(now, before):
                if setting.swapped:
                    _MEMORY.own.setdefault(self._who, {})[setting.name] = now
                # Some libraries draw a number when they are imported, which is no plugin's doing.
                if not (setting.swapped and len(sys.modules) > self._modules):
                    self._changed.append(setting)
            elif outside is inside:
                continue
            setting.put(setting.expected(outside))

    def say(self) -> None:
        """Warn of what was put back, each setting once a run."""
        changed, self._changed = self._changed, []
        for setting in changed:
            if (self._who, setting.name) not in _MEMORY.said:
                _MEMORY.said.add((self._who, setting.name))
                warnings.warn(
                    f"{self._who} changed {setting.name} of the whole process; it was put back. A plugin must leave it "
                    f"alone, since all others depend on it: {setting.instead}.",
                    stacklevel=3,
                )

    @property
    def changed(self) -> list[str]:
        """Names of the settings that were put back and not said yet."""
        return [setting.name for setting in self._changed]

    @contextmanager
    def core(self) -> Iterator[None]:
        """A stretch of the core's code within the plugin's: it runs under the settings that were noted."""
        self.leave()
        try:
            yield
        finally:
            self.enter()


@contextmanager
def kept(who: str, but: Sequence[str] = ()) -> Iterator[Kept]:
    """Run a plugin's code, put back what it changes of the process, and warn of it.

    Args:
        who: the plugin, with package and version.
        but: names of settings that it may change.
    """
    stretch = Kept(who, but)
    stretch.enter()
    try:
        yield stretch
    finally:
        stretch.leave()
        stretch.say()
