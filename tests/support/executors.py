"""Executors that run in this process, and remember what they were given."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from automl_loss import Executor, Failure


class Inline(Executor):
    """Runs chunks in this process, in an order of the test's choice.

    Args:
        order: indices in the order in which results arrive; default: as they come.
        most: stop by KeyboardInterrupt after so many chunks.
        sent: whether work and results are pickled, as on their way to a worker and back.
    """

    plugin_api = 2

    def __init__(
        self, order: Callable[[int], Sequence[int]] = range, most: int = 10**9, *, sent: bool = False
    ) -> None:
        super().__init__(None)
        self.items: list[Any] = []
        self._order = order
        self._most = most
        self._sent = sent

    def map(
        self, function: Callable[[Any], Any], chunks: Sequence[Any], *, deadline: float | None = None
    ) -> Iterator[tuple[int, Any]]:
        for index in self._order(len(chunks)):
            if len(self.items) == self._most:
                raise KeyboardInterrupt
            self.items.append(chunks[index])
            try:
                value = self._call(function, chunks[index])
            except Exception as error:
                value = Failure.of(error)
            yield index, value

    def _call(self, function: Callable[[Any], Any], chunk: Any) -> Any:
        if not self._sent:
            return function(chunk)
        return pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(chunk)))))


def backwards(count: int) -> Sequence[int]:
    """The last chunk arrives first."""
    return range(count)[::-1]
