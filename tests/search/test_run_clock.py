from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.executors import Inline

from automl_loss.errors import OutOfTimeError
from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.workers import Workers
from automl_loss.search.run_clock import RunClock


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of both clocks, which the test moves on."""
    seconds = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: seconds[0])
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    return seconds


def clock(path: Path, minutes: float | None) -> tuple[RunClock, Workers]:
    workers = Workers(Inline())
    return RunClock(minutes, ChunkRecords(path / "chunks.log"), workers), workers


def test_time_adds_up_over_sessions_without_replays(tmp_path: Path, now: list[float]) -> None:
    first, _ = clock(tmp_path, 1.0)
    now[0] += 20.0
    first.keep()
    now[0] += 5.0
    first.keep()
    now[0] += 1000.0
    second, _ = clock(tmp_path, 1.0)
    with second.replaying():
        now[0] += 500.0
    now[0] += 10.0
    assert second.seconds == pytest.approx(35.0)
    assert not second.over()
    now[0] += 25.0
    assert second.over()


def test_without_a_limit_it_is_never_over(tmp_path: Path, now: list[float]) -> None:
    free, workers = clock(tmp_path, None)
    now[0] += 1e9
    free.limit_workers()
    assert not free.over(1e9)
    assert workers.until is None


def test_time_is_reserved_for_what_comes_after_but_never_more_than_half(
    tmp_path: Path, now: list[float]
) -> None:
    limited, workers = clock(tmp_path, 1.0)
    limited.limit_workers(reserve=20.0)
    assert workers.until == pytest.approx(140.0)
    limited.limit_workers(reserve=1e6)
    assert workers.until == pytest.approx(130.0)
    now[0] += 39.0
    assert not limited.over(20.0)
    assert limited.over(25.0)


def test_workers_finish_the_chunk_they_are_at_and_begin_no_other(tmp_path: Path, now: list[float]) -> None:
    limited, workers = clock(tmp_path, 1.0)
    limited.limit_workers()

    def work(chunk: tuple[int, ...]) -> tuple[int, ...]:
        now[0] += 25.0
        return chunk

    results = workers.run(work, [(n,) for n in range(5)])
    assert [next(results)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OutOfTimeError, match=r"2 chunks of work are left.*budget\.minutes"):
        next(results)
    with pytest.raises(OutOfTimeError):
        next(workers.run(work, [(1,)]))
    limited.release_workers()
    assert list(workers.run(work, [(1,)])) == [(0, (1,))]
