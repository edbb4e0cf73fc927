from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from automl_loss import Failure
from automl_loss.errors import EvaluationError, WorkerLostError
from automl_loss.executors.local import LocalExecutor
from automl_loss.record.recorded_map import recorded_map
from automl_loss.record.workers import Workers

HANGS, DIES, RAISES, SLOW_TOGETHER = 13, 14, 15, 16


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """One worker process whose items have a second each."""
    made = Workers(LocalExecutor(LocalExecutor.Config(workers=1)), timeout_s=1.0)
    yield made
    made.close()


class Kept:
    """Keeps what arrives; an item that is to blame gives -1, and 0 stands in for it."""

    def __init__(self) -> None:
        self.results: dict[str, list[Any]] = {}
        self.reasons: dict[int, str] = {}

    def find(self, key: str, chunk: Sequence[int]) -> list[Any] | None:
        return None

    def keep(self, key: str, chunk: Sequence[int], results: Any) -> list[Any]:
        self.results[key] = results
        return list(results)

    def fault(self, failure: Failure) -> BaseException:
        return failure.error

    def harmless(self, item: int) -> int:
        return 0

    def blamed(self, item: int, standing_in: Any, failure: Failure) -> Any:
        self.reasons[item] = type(failure.error).__name__
        return (-1, standing_in[1])


def work(chunk: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
    """Each item beside the width of the chunk it was computed in, which decides its last bits."""
    for item in chunk:
        if item == HANGS:
            while True:
                time.sleep(1.0)
        if item == DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        if item == RAISES:
            raise ArithmeticError("fifteen")
        if item == SLOW_TOGETHER and len(chunk) > 1 and 0 not in chunk:
            time.sleep(60.0)
    return [(item, tuple(len(str(each)) * 0 + 1 for each in chunk)) for item in chunk]


def mapped(workers: Workers, *chunks: tuple[int, ...]) -> tuple[list[list[Any]], Kept]:
    kept = Kept()
    keyed = [(f"chunk-{n}", chunk) for n, chunk in enumerate(chunks)]
    return list(recorded_map(workers, work, keyed, kept)), kept


def test_an_item_that_hangs_costs_only_itself_and_its_neighbours_keep_their_width(workers: Workers) -> None:
    found, kept = mapped(workers, (1, HANGS, 3), (4, 5, 6))
    assert found == [[(1, (1, 1, 1)), (-1, (1, 1, 1)), (3, (1, 1, 1))], [(n, (1, 1, 1)) for n in (4, 5, 6)]]
    assert kept.reasons == {HANGS: "TimeoutError"}


@pytest.mark.slow
def test_an_item_that_ends_its_worker_costs_only_itself() -> None:
    # Two workers: one alone, without a time limit, would be this process.
    workers = Workers(LocalExecutor(LocalExecutor.Config(workers=2)))
    found, kept = mapped(workers, (1, 2, DIES), (4, 5, 6))
    workers.close()
    assert [[value for value, _ in each] for each in found] == [[1, 2, -1], [4, 5, 6]]
    assert kept.reasons == {DIES: WorkerLostError.__name__}


@pytest.mark.slow
def test_items_that_hang_only_together_are_all_to_blame(workers: Workers) -> None:
    found, kept = mapped(workers, (1, SLOW_TOGETHER))
    assert [value for value, _ in found[0]] == [-1, -1]
    assert set(kept.reasons.values()) == {"TimeoutError"}


def test_what_an_item_raises_is_still_raised(workers: Workers) -> None:
    with pytest.raises(ArithmeticError, match="fifteen"):
        mapped(workers, (HANGS, RAISES))


def test_where_harmless_items_hang_too_the_run_is_told_so(workers: Workers) -> None:
    def hang(chunk: tuple[int, ...]) -> list[Any]:
        while True:
            time.sleep(1.0)

    with pytest.raises(EvaluationError, match=r"task loss in the place of 1.*executor\.timeout_s.*--resume"):
        list(recorded_map(workers, hang, [("chunk", (7,))], Kept()))
