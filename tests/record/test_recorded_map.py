from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.executors import Inline, backwards

from automl_loss import Failure, PluginError
from automl_loss.record.recorded_map import cut, recorded_map
from automl_loss.record.workers import Workers

CHUNKS = [(f"chunk-{n}", (n, n + 10)) for n in range(4)]


class Kept:
    """Results by key, in the order in which they were kept."""

    def __init__(self) -> None:
        self.results: dict[str, list[int]] = {}

    def find(self, key: str, chunk: Sequence[int]) -> list[int] | None:
        return self.results.get(key)

    def keep(self, key: str, chunk: Sequence[int], results: Any) -> list[int]:
        self.results[key] = results
        return list(results)

    def fault(self, failure: Failure) -> BaseException:
        return failure.error

    def harmless(self, item: int) -> int:
        raise AssertionError("nothing hangs here")

    def blamed(self, item: int, standing_in: int, failure: Failure) -> int:
        raise AssertionError("nothing hangs here")


def squares(chunk: tuple[int, ...]) -> list[int]:
    return [n * n for n in chunk]


def fails_on_two(chunk: tuple[int, ...]) -> list[int]:
    if 2 in chunk:
        raise ArithmeticError("two")
    return squares(chunk)


def test_results_come_in_order_and_are_kept_as_they_arrive() -> None:
    kept = Kept()
    found = list(recorded_map(Workers(Inline(backwards)), squares, CHUNKS, kept))
    assert found == [squares(chunk) for _, chunk in CHUNKS]
    assert list(kept.results) == [key for key, _ in CHUNKS][::-1]


def test_what_had_arrived_early_is_not_lost_when_the_run_is_killed() -> None:
    kept = Kept()
    with pytest.raises(KeyboardInterrupt):
        list(recorded_map(Workers(Inline(backwards, most=3)), squares, CHUNKS, kept))
    assert sorted(kept.results) == ["chunk-1", "chunk-2", "chunk-3"]
    executor = Inline()
    assert list(recorded_map(Workers(executor), squares, CHUNKS, kept)) == [squares(c) for _, c in CHUNKS]
    assert executor.items == [CHUNKS[0][1]]


def test_a_chunk_that_fails_is_told_and_those_that_arrived_before_are_kept() -> None:
    kept = Kept()
    with pytest.raises(ArithmeticError, match="two"):
        list(recorded_map(Workers(Inline(backwards)), fails_on_two, CHUNKS, kept))
    assert sorted(kept.results) == ["chunk-3"]


class Twice(Inline):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        yield 0, function(chunks[0])
        yield 0, function(chunks[0])


class Few(Inline):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        yield 0, function(chunks[0])


@pytest.mark.parametrize(("cls", "what"), [(Twice, "a result for chunk 0"), (Few, "no more results")])
def test_an_executor_that_gives_an_index_twice_or_not_at_all_is_named(cls: type[Inline], what: str) -> None:
    with pytest.raises(PluginError, match=rf"executor {cls.__name__} gave {what} while 3 of 4 chunks"):
        list(recorded_map(Workers(cls()), squares, CHUNKS, Kept()))


@given(st.integers(0, 300), st.integers(1, 40))
def test_chunks_keep_the_order_are_even_and_at_most_the_size(count: int, size: int) -> None:
    items = list(range(count))
    chunks = cut(items, size)
    assert [item for chunk in chunks for item in chunk] == items
    lengths = [len(chunk) for chunk in chunks]
    assert all(1 <= length <= size for length in lengths)
    assert max(lengths, default=0) - min(lengths, default=0) <= 1
    assert count < 2 or len(chunks) % 2 == 0 or len(chunks) == count
    assert len(chunks) <= -(-count // size) + 1
