"""Adapt executors of `plugin_api = 1`, which give results in order, to version 2 of the contract."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from automl_loss.plugins.executor import Executor, Failure, Item, Result


class InOrderExecutor(Executor):
    """Gives the results of an executor of `plugin_api = 1` as version 2 has them.

    A function that raises ends the results there, as it did in version 1. A deadline is not kept: version 1 has none.

    Args:
        executor: whose `map(function, items)` gives results in order.
    """

    plugin_api = 2

    def __init__(self, executor: Any) -> None:
        super().__init__(executor.config, executor.threads)
        self._executor = executor
        name = type(executor).__name__
        warnings.warn(
            f"executor {name} has plugin_api = 1, whose `map` gives results in order. The next release asks for "
            f"plugin_api = 2: `map(function, chunks, *, deadline)` gives (index, result or automl_loss.Failure) in any "
            f"order.",
            DeprecationWarning,
            stacklevel=2,
        )

    @property
    def workers(self) -> Any:
        """As the executor says, if it does."""
        return getattr(self._executor, "workers", None)

    def map(
        self, function: Callable[[Item], Result], chunks: Sequence[Item], *, deadline: float | None = None
    ) -> Iterator[tuple[int, Result | Failure]]:
        """See `Executor.map`."""
        found = iter(self._executor.map(function, list(chunks)))
        for index in range(len(chunks)):
            try:
                value: Result | Failure = next(found)
            except StopIteration:
                return
            except Exception as error:
                yield index, Failure.of(error)
                return
            yield index, value

    def close(self) -> None:
        """See `Executor.close`."""
        self._executor.close()


def current_version(executor: Executor) -> Executor:
    """The executor as version 2 of the contract has it."""
    return executor if executor.plugin_api >= 2 else InOrderExecutor(executor)
