"""Plugin kind `executor`: decides where work runs, never what it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, TypeVar

from automl_loss.plugins.config import PluginConfig

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(ABC):
    """Runs pure functions on fixed chunks.

    Laws: results come in the order of the items; the executor changes no result; after `close` no
    process is left.
    """

    plugin_api: ClassVar[int] = 1

    class Config(PluginConfig):
        """Options of the executor in a recipe, besides `chunk` and `threads`."""

    def __init__(self, config: Any, threads: int = 1) -> None:
        self.config = config
        self.threads = threads

    @abstractmethod
    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results of `function` on each item, in order, as they become ready."""

    def close(self) -> None:
        """Release workers; called once at the end of a run, also after an error."""
        return
