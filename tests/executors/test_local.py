from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from automl_loss.errors import EvaluationError, PluginError
from automl_loss.executors.local import LocalExecutor

KILLED = """
import os, signal
from automl_loss.executors.local import LocalExecutor

def process(item):
    import os, time
    time.sleep(0.2)
    return os.getpid()

executor = LocalExecutor(LocalExecutor.Config(workers=2))
print(*set(executor.map(process, range(20))), flush=True)
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


def _slow_first(item: int) -> tuple[int, float]:
    time.sleep(0.2 if item == 0 else 0.0)
    return item, 1 / (item + 3)


def _process(item: int) -> int:
    time.sleep(0.1)
    return os.getpid()


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


def test_results_come_in_the_order_of_the_items_and_equal_those_of_one_process(
    one: LocalExecutor, two: LocalExecutor
) -> None:
    items = range(12)
    assert (
        list(two.map(_slow_first, items))
        == list(one.map(_slow_first, items))
        == list(map(_slow_first, items))
    )


def test_work_is_shared_by_processes_and_none_is_left_after_close() -> None:
    two = LocalExecutor(LocalExecutor.Config(workers=2))
    processes = set(two.map(_process, range(20)))
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert all(map(_exists, processes))
    two.close()
    assert not any(map(_exists, processes))
    two.close()


def test_one_worker_is_this_process(one: LocalExecutor) -> None:
    assert set(one.map(_process, range(2))) == {os.getpid()}
    one.close()


def test_an_exception_in_a_worker_reaches_the_caller_as_it_is(two: LocalExecutor) -> None:
    results = two.map(_fail, range(4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(PluginError, match="item 2 is bad"):
        next(results)
    assert list(two.map(_slow_first, [5, 6])) == [_slow_first(5), _slow_first(6)]


def test_workers_keep_to_their_threads_and_leave_ctrl_c_to_the_main_process(two: LocalExecutor) -> None:
    assert set(two.map(_threads, range(4))) == {(1, "1")}
    assert set(two.map(_ignores_interrupts, range(4))) == {True}


def test_nothing_to_do_gives_nothing(one: LocalExecutor, two: LocalExecutor) -> None:
    assert list(one.map(_process, [])) == list(two.map(_process, [])) == []


def test_by_default_there_are_as_many_workers_as_cores_for_their_threads() -> None:
    config = LocalExecutor.Config()
    everyone = LocalExecutor(config, threads=1).workers
    assert everyone >= 1
    assert LocalExecutor(config, threads=everyone).workers == 1


def test_a_killed_worker_is_an_error_that_says_how_to_go_on() -> None:
    executor = LocalExecutor(LocalExecutor.Config(workers=2))
    with pytest.raises(EvaluationError, match=r"worker process was killed.*--resume.*executor\.workers"):
        list(executor.map(_die, range(4)))
    executor.close()


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
