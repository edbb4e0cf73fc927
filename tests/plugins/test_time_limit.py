from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
import traceback

import pytest

from automl_loss.plugins.time_limit import import_limit, suspended, time_limit

STUCK = """
import signal
from automl_loss.plugins import time_limit
time_limit._STUCK_S = 0.5
with time_limit.time_limit(0.2):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    while True:
        pass
"""


def test_a_block_that_ends_in_time_gives_its_result_and_leaves_no_timer() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(30.0):
        value = 1 + 1
    assert value == 2
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize("kind", ["loop", "sleep", "lock", "swallowing"])
def test_code_that_hangs_is_ended_and_its_line_is_known(kind: str) -> None:
    lock = threading.Lock()
    lock.acquire()

    def hang() -> None:
        while True:
            if kind == "sleep":
                time.sleep(60.0)
            elif kind == "lock":
                lock.acquire()
            elif kind == "swallowing":
                try:
                    time.sleep(60.0)
                except Exception:
                    continue

    with (
        pytest.raises(TimeoutError, match=r"took longer than 0\.2 s and was ended") as raised,
        time_limit(0.2),
    ):
        hang()
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "hang"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_code_that_catches_even_base_exceptions_is_interrupted_again() -> None:
    caught = []

    def stubborn() -> None:
        while True:
            try:
                time.sleep(60.0)
            except BaseException as error:
                caught.append(error)
                if len(caught) == 2:
                    raise

    with pytest.raises(TimeoutError), time_limit(0.1):
        stubborn()
    assert len(caught) == 2


def test_of_nested_limits_the_one_that_is_over_is_named() -> None:
    with pytest.raises(TimeoutError, match=r"than 0\.1 s"), time_limit(30.0), time_limit(0.1):
        time.sleep(60.0)
    with pytest.raises(TimeoutError, match=r"than 0\.1 s"), time_limit(0.1), time_limit(30.0):
        time.sleep(60.0)


def wait_then_hang() -> None:
    with suspended():
        time.sleep(0.2)
    time.sleep(60.0)


def test_time_within_a_suspended_block_does_not_count() -> None:
    with time_limit(0.3):
        with suspended():
            time.sleep(0.5)
        value = "went on"
    assert value == "went on"
    with pytest.raises(TimeoutError), time_limit(0.3):
        wait_then_hang()


def test_code_that_cannot_be_interrupted_ends_with_its_process_and_a_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert re.search(r'File "<string>", line [78]', ended.stderr)


def test_no_limit_and_other_threads_are_left_alone() -> None:
    done = []

    def work() -> None:
        with time_limit(0.05):
            time.sleep(0.2)
        done.append(True)

    with time_limit(None):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert done == [True]


def test_the_limit_of_imports_is_said_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOLOSS_IMPORT_TIMEOUT_S", raising=False)
    assert import_limit() == 120.0
    monkeypatch.setenv("AUTOLOSS_IMPORT_TIMEOUT_S", "2.5")
    assert import_limit() == 2.5
