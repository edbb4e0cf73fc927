from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from support.executors import Inline

from automl_loss import Executor, Failure
from automl_loss.executors.in_order import current_version


class FirstVersion(Executor):
    """As plugins of `plugin_api = 1` were written."""

    plugin_api = 1
    closed = False

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:  # type: ignore[override]
        return map(function, items)

    def close(self) -> None:
        self.closed = True


def reciprocal(item: int) -> float:
    return 1 / item


def test_an_executor_of_the_first_version_goes_on_with_a_warning() -> None:
    first = FirstVersion(None, threads=3)
    with pytest.warns(DeprecationWarning, match="executor FirstVersion has plugin_api = 1.*Failure"):
        adapted = current_version(first)
    assert adapted.threads == 3
    assert list(adapted.map(reciprocal, [1, 2, 4])) == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert list(adapted.map(reciprocal, [])) == []
    adapted.close()
    assert first.closed


def test_what_its_function_raises_is_the_failure_of_that_chunk() -> None:
    with pytest.warns(DeprecationWarning, match="plugin_api = 1"):
        adapted = current_version(FirstVersion(None))
    (first, failed) = adapted.map(reciprocal, [1, 0, 2])
    assert first == (0, 1.0)
    assert failed[0] == 1
    assert isinstance(failed[1], Failure)
    assert isinstance(failed[1].error, ZeroDivisionError)
    assert f"{__file__}:" in failed[1].place


def test_an_executor_of_the_second_version_is_itself() -> None:
    executor = Inline()
    assert current_version(executor) is executor
