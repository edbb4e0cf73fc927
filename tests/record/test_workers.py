from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import pytest

from automl_loss.engine import clock
from automl_loss.executors.local import LocalExecutor
from automl_loss.plugins.executor import Executor, Item, Result
from automl_loss.record.workers import TimedExecutor
from automl_loss.search.progress import OVERHEAD, STAGES, Stopwatch, overhead

TICK = 0.05


class Inline(Executor):
    """Does not say how many workers it has."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        return map(function, items)


@pytest.fixture(params=[1, 2])
def executor(request: pytest.FixtureRequest) -> Iterator[TimedExecutor]:
    timed = TimedExecutor(LocalExecutor(LocalExecutor.Config(workers=request.param)))
    yield timed
    timed.close()


def work(item: int) -> int:
    from automl_loss.engine import clock

    with clock.stage("training"):
        time.sleep(TICK)
    time.sleep(TICK)
    return -item


def test_results_are_those_of_the_executor_in_order(executor: TimedExecutor) -> None:
    assert list(executor.map(work, range(4))) == [0, -1, -2, -3]


def test_the_time_of_work_anywhere_is_counted_by_stage_and_fills_every_worker(
    executor: TimedExecutor,
) -> None:
    list(executor.map(work, range(2)))  # a worker has started
    watch = Stopwatch()
    with watch.stage("other"):
        with watch.stage("filters"):
            list(executor.map(work, range(4)))
        with watch.stage("strategy"):
            time.sleep(TICK)
    seconds = watch.elapsed
    profile = watch.profile(seconds, executor.workers)
    assert tuple(profile) == STAGES
    # Sleeping takes at least as long as was asked for; on a busy machine, longer.
    assert profile["training"] >= 4 * TICK
    assert profile["filters"] >= 4 * TICK
    assert profile["strategy"] >= TICK
    assert sum(profile.values()) == pytest.approx(executor.workers * seconds)
    if executor.workers == 1:
        assert profile["waiting"] < 0.1 * seconds
    else:
        # While the strategy works, the other worker waits at least.
        assert profile["waiting"] >= 0.9 * TICK
    expected = sum(profile[name] for name in OVERHEAD) / (executor.workers * seconds)
    assert overhead(profile) == pytest.approx(expected)


def test_another_stopwatch_begins_at_nothing(executor: TimedExecutor) -> None:
    list(executor.map(work, range(2)))
    assert sum(Stopwatch().profile(0.0, 1).values()) == 0.0
    assert overhead(Stopwatch().profile(0.0, 1)) == 0.0


def test_a_stage_of_a_name_of_its_own_is_other() -> None:
    watch = Stopwatch()
    with watch.stage("evaluation"):
        time.sleep(TICK)
    assert watch.profile(watch.elapsed, 1)["other"] >= TICK


def test_an_executor_that_does_not_say_has_as_many_workers_as_were_seen() -> None:
    executor = TimedExecutor(Inline(None))
    assert executor.workers == 1
    assert list(executor.map(abs, [-1, 2])) == [1, 2]
    assert executor.workers == 1


def test_a_fault_in_the_work_reaches_the_caller_and_spoils_no_later_time(executor: TimedExecutor) -> None:
    with pytest.raises(TypeError):
        list(executor.map(work, ["-", 1]))
    assert clock.current() == clock.REST
