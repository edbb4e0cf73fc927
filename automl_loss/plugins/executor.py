"""Plugin kind `executor`, which decides where work runs and never changes a result."""

from __future__ import annotations

import pickle
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from automl_loss.plugins.config import PluginConfig

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """Stands for the result of a chunk that gave none.

    Args:
        error: the exception that the function raised, or one that describes how the worker ended.
        place: file and line that raised it, if known.
    """

    error: BaseException
    place: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Make the failure of an exception that was just caught."""
        frames = traceback.extract_tb(error.__traceback__)
        return cls(error, f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "")

    def __reduce__(self) -> tuple[type[Failure], tuple[BaseException, str]]:
        """Pickle with the traceback as a note, as tracebacks are not sent.

        An exception that does not survive pickling is replaced by a `RuntimeError` that says the same.
        """
        error = self.error
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # whatever its own reduction raises
            error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
        error.add_note("".join(traceback.format_exception(error)).rstrip())
        return Failure, (error, self.place)


class Executor(ABC):
    """Runs pure functions on fixed chunks.

    Laws: each chunk's index comes once, with what the function gives on it, or with a `Failure` that harms no other
    chunk; they come in any order; the executor changes no result; after `close` no process is left.

    A class with `plugin_api = 1` was written for the first version of this contract, whose `map(function, items)` gave
    results in order and raised what the function raised; it is accepted for one more release, with a warning.
    """

    plugin_api: ClassVar[int] = 1

    class Config(PluginConfig):
        """Options of the executor in a recipe, besides `chunk` and `threads`."""

    def __init__(self, config: Any, threads: int = 1) -> None:
        self.config = config
        self.threads = threads

    @abstractmethod
    def map(
        self, function: Callable[[Item], Result], chunks: Sequence[Item], *, deadline: float | None = None
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yield the index and result of each chunk, as they become ready.

        Args:
            function: importable by name, or a `functools.partial` of such a function; picklable.
            chunks: picklable values.
            deadline: seconds that a chunk may take, after which it is to fail; `None`: no limit.
        """

    def close(self) -> None:
        """Release workers; called once at the end of a run, also after an error."""
        return
