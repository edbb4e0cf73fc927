"""Executors of other packages under guard: each chunk's own result, once, or a fault with the executor's name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from automl_loss.errors import AutolossError, PluginError
from automl_loss.plugins.executor import Executor, Failure, Item, Result
from automl_loss.search.identity import GO_ON, Identity, short
from automl_loss.search.numbers import Refused, integer


@dataclass(frozen=True)
class _Sealed:
    """What the function gave on a chunk, with the chunk's index: an executor hands it on as it is."""

    index: int
    value: Any


@dataclass(frozen=True)
class _Sealing:
    """The function as the executor runs it."""

    function: Callable[[Any], Any]

    def __call__(self, numbered: tuple[int, Any]) -> _Sealed:
        index, chunk = numbered
        return _Sealed(index, self.function(chunk))


class GuardedExecutor(Executor):
    """An executor whose faults are told as its own: the run stops and can go on once it is mended.

    Args:
        identity: who it is.
        executor: of the present version of the contract.
    """

    plugin_api = 2

    def __init__(self, identity: Identity, executor: Executor) -> None:
        super().__init__(executor.config, executor.threads)
        self.identity = identity
        self.inner = executor

    @property
    def workers(self) -> int | None:
        """Number of workers, where the executor says it."""
        with self.identity.guard("`workers`"):
            found = getattr(self.inner, "workers", None)
        try:
            return None if found is None else integer(found, "", least=1)
        except Refused:
            return None  # it is shown, and decides nothing

    def map(
        self, function: Callable[[Item], Result], chunks: Sequence[Item], *, deadline: float | None = None
    ) -> Iterator[tuple[int, Result | Failure]]:
        """See `Executor.map`.

        Raises:
            PluginError: it raised something, or gave anything but each chunk's own result, once.
        """
        given: Any = self._call(
            lambda: iter(self.inner.map(_Sealing(function), list(enumerate(chunks)), deadline=deadline))
        )
        missing = set(range(len(chunks)))
        while missing:
            got = self._call(lambda: next(given, None))
            index, value = self._checked(got, missing, len(chunks))
            missing.remove(index)
            yield index, value

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            with self.identity.kept():
                return call()
        except AutolossError:
            raise
        except (Exception, SystemExit) as error:
            raise self.identity.fault("`map`", error, GO_ON) from error

    def _checked(self, got: Any, missing: set[int], count: int) -> tuple[int, Any]:
        if got is None:
            raise self._refuse(f"gave no more results while {len(missing)} of {count} chunks were open")
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise self._refuse(f"gave {short(got)}; `map` must give pairs of a chunk's index and its result")
        try:
            index = integer(got[0], "gave a result for chunk")
        except Refused as error:
            raise self._refuse(str(error)) from error
        if index not in missing:
            what = "a second time" if index < count else f"and there are {count}"
            raise self._refuse(
                f"gave a result for chunk {index} {what}; it must give each chunk's index once"
            )
        result = got[1]
        if isinstance(result, Failure):
            return index, result
        if not isinstance(result, _Sealed):
            raise self._refuse(
                f"gave {short(result)} as the result of chunk {index}; it must give what the function returned, or an "
                f"automl_loss.Failure"
            )
        if result.index != index:
            raise self._refuse(f"gave the result of chunk {result.index} as that of chunk {index}")
        return index, result.value

    def _refuse(self, what: str) -> PluginError:
        return PluginError(f"{self.identity} {what}. {GO_ON}")

    def close(self) -> None:
        """See `Executor.close`; what it raises comes after the work, and is a warning."""
        try:
            with self.identity.kept():
                self.inner.close()
        except (Exception, SystemExit) as error:
            warnings.warn(
                f"{self.identity} failed in `close`: {type(error).__name__}: {error}. The results are not concerned; "
                f"processes of it may be left.",
                stacklevel=2,
            )
