from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from automl_loss.errors import PluginError, WorkerLostError
from automl_loss.executors.local import LocalExecutor
from automl_loss.plugins.executor import Failure

KILLED = """
import os, signal
from automl_loss.executors.local import LocalExecutor

def process(item):
    import os, time
    time.sleep(0.2)
    return os.getpid()

executor = LocalExecutor(LocalExecutor.Config(workers=2))
print(*{process for _, process in executor.map(process, range(20))}, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

LEFT_EARLY = """
import time
from automl_loss.executors.local import LocalExecutor

executor = LocalExecutor(LocalExecutor.Config(workers=2))
results = executor.map(time.sleep, [0.0] + [60.0] * 20)
next(results)
results.close()
executor.close()
"""


@pytest.fixture(scope="module")
def two() -> Iterator[LocalExecutor]:
    """Two worker processes."""
    executor = LocalExecutor(LocalExecutor.Config(workers=2))
    yield executor
    executor.close()


@pytest.fixture
def one() -> LocalExecutor:
    return LocalExecutor(LocalExecutor.Config(workers=1))


# Work for the pool; loky sends functions of a test module by value.


def _die_of(item: int) -> int:
    time.sleep(0.1)
    if item == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def _die_once(chunk: tuple[str, int]) -> int:
    mark, number = chunk
    time.sleep(0.1)
    if number == 2 and not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _process_of(_: int) -> int:
    time.sleep(0.1)
    return os.getpid()


def _leave_mark(file: str) -> None:
    time.sleep(0.2)
    open(file, "w").close()


def _slow_first(item: int) -> tuple[int, float]:
    time.sleep(0.2 if item == 0 else 0.0)
    return item, 1 / (item + 3)


def _process(item: int) -> int:
    time.sleep(0.1)
    return os.getpid()


def _sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def _fail(item: int) -> int:
    if item == 2:
        raise PluginError(f"item {item} is bad")
    return item


def _die(item: int) -> int:
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def _threads(item: int) -> tuple[int, str]:
    import torch

    return torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]


def _ignores_interrupts(item: int) -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def values(executor: LocalExecutor, function: Any, chunks: Any, **options: Any) -> list[Any]:
    """What each chunk gave, by its index."""
    found = list(executor.map(function, chunks, **options))
    assert sorted(index for index, _ in found) == list(range(len(chunks)))
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]


def test_results_come_with_their_index_as_they_are_ready_and_equal_those_of_one_process(
    one: LocalExecutor, two: LocalExecutor
) -> None:
    items = range(12)
    expected = list(map(_slow_first, items))
    assert values(two, _slow_first, items) == values(one, _slow_first, items) == expected
    assert next(iter(two.map(_slow_first, items)))[0] != 0  # the first chunk takes longest


def test_work_is_shared_by_processes_and_none_is_left_after_close() -> None:
    two = LocalExecutor(LocalExecutor.Config(workers=2))
    processes = set(values(two, _process, range(20)))
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert all(map(_exists, processes))
    two.close()
    assert not any(map(_exists, processes))
    two.close()


def test_one_worker_is_this_process(one: LocalExecutor) -> None:
    assert set(values(one, _process, range(2))) == {os.getpid()}
    one.close()


def test_an_exception_is_a_failure_of_its_chunk_alone(one: LocalExecutor, two: LocalExecutor) -> None:
    for executor in (one, two):
        *_, failed, last = values(executor, _fail, range(4))
        assert last == 3
        assert isinstance(failed, Failure)
        assert isinstance(failed.error, PluginError)
        assert str(failed.error) == "item 2 is bad"
    assert values(two, _slow_first, [5, 6]) == [_slow_first(5), _slow_first(6)]


def test_a_chunk_that_takes_too_long_is_ended_and_its_neighbours_are_not() -> None:
    for workers in (1, 2):
        executor = LocalExecutor(LocalExecutor.Config(workers=workers))
        found = values(executor, _sleep, [0.01, 60.0, 0.02, 0.03], deadline=6.0)
        executor.close()
        hung = found.pop(1)
        assert found == [0.01, 0.02, 0.03]
        assert isinstance(hung, Failure)
        assert isinstance(hung.error, TimeoutError)
        assert "longer than 6 s" in str(hung.error)


def test_workers_keep_to_their_threads_and_leave_ctrl_c_to_the_main_process(two: LocalExecutor) -> None:
    assert set(values(two, _threads, range(4))) == {(1, "1")}
    assert set(values(two, _ignores_interrupts, range(4))) == {True}


def test_nothing_to_do_gives_nothing(one: LocalExecutor, two: LocalExecutor) -> None:
    assert list(one.map(_process, [])) == list(two.map(_process, [])) == []


def test_by_default_there_are_as_many_workers_as_cores_for_their_threads() -> None:
    config = LocalExecutor.Config()
    everyone = LocalExecutor(config, threads=1).workers
    assert everyone >= 1
    assert LocalExecutor(config, threads=everyone).workers == 1


@pytest.mark.slow
def test_a_chunk_that_kills_its_worker_each_time_is_a_failure_that_costs_only_itself() -> None:
    executor = LocalExecutor(LocalExecutor.Config(workers=2))
    found = values(executor, _die_of, [1, 2, 13, 4, 5, 6])
    executor.close()
    assert [each for each in found if not isinstance(each, Failure)] == [1, 2, 4, 5, 6]
    (failure,) = (each for each in found if isinstance(each, Failure))
    assert isinstance(failure.error, WorkerLostError)
    said = str(failure.error)
    assert all(word in said for word in ("was killed 3 times", "--resume", "executor.workers"))


def test_a_worker_that_is_killed_once_loses_nothing(tmp_path: Path) -> None:
    executor = LocalExecutor(LocalExecutor.Config(workers=2))
    chunks = [(str(tmp_path / "once"), number) for number in range(6)]
    assert values(executor, _die_once, chunks) == list(range(6))
    executor.close()


def test_workers_that_are_killed_while_they_have_nothing_to_do_are_replaced() -> None:
    executor = LocalExecutor(LocalExecutor.Config(workers=2))
    for process in set(values(executor, _process_of, range(6))):
        os.kill(process, signal.SIGKILL)
    assert values(executor, abs, [-1, -2, -3]) == [1, 2, 3]
    executor.close()


def test_chunks_that_were_not_handed_over_are_never_begun_when_the_caller_goes_away(tmp_path: Path) -> None:
    executor = LocalExecutor(LocalExecutor.Config(workers=2))
    results = executor.map(_leave_mark, [str(tmp_path / str(number)) for number in range(12)])
    next(results)
    results.close()
    assert values(executor, abs, [-1]) == [1]
    executor.close()
    assert len(list(tmp_path.iterdir())) < 12


def test_the_workers_of_a_killed_run_end_by_themselves() -> None:
    run = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, check=False)
    assert run.returncode == -signal.SIGKILL
    workers = [int(word) for word in run.stdout.split()]
    assert len(workers) == 2
    deadline = time.monotonic() + 30
    while any(map(_exists, workers)):
        assert time.monotonic() < deadline, "workers are still there 30 seconds after their parent"
        time.sleep(0.1)


def test_close_stops_work_in_progress_without_a_word() -> None:
    run = subprocess.run(
        [sys.executable, "-c", LEFT_EARLY], capture_output=True, text=True, check=False, timeout=50
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
