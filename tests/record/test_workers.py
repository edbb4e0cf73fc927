from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from support.executors import Inline

from automl_loss.engine import clock
from automl_loss.executors.local import LocalExecutor
from automl_loss.record.workers import Workers
from automl_loss.search.progress import OVERHEAD, STAGES, Stopwatch, overhead

TICK = 0.05


@pytest.fixture(params=[1, 2])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    found = Workers(LocalExecutor(LocalExecutor.Config(workers=request.param)))
    yield found
    found.close()


def work(item: int) -> int:
    from automl_loss.engine import clock

    with clock.stage("training"):
        time.sleep(TICK)
    time.sleep(TICK)
    return -item


def test_results_are_those_of_the_executor_in_order(workers: Workers) -> None:
    assert workers.in_order(work, range(4)) == [0, -1, -2, -3]


def test_the_time_of_work_anywhere_is_counted_by_stage_and_fills_every_worker(
    workers: Workers,
) -> None:
    workers.in_order(work, range(2))  # a worker has started
    watch = Stopwatch()
    with watch.stage("other"):
        with watch.stage("filters"):
            workers.in_order(work, range(4))
        with watch.stage("strategy"):
            time.sleep(TICK)
    seconds = watch.elapsed
    profile = watch.profile(seconds, workers.count)
    assert tuple(profile) == STAGES
    # Sleeping takes at least as long as was asked for; on a busy machine, longer.
    assert profile["training"] >= 4 * TICK
    assert profile["filters"] >= 4 * TICK
    assert profile["strategy"] >= TICK
    assert sum(profile.values()) == pytest.approx(workers.count * seconds)
    if workers.count == 1:
        assert profile["waiting"] < 0.1 * seconds
    else:
        # While the strategy works, the other worker waits at least.
        assert profile["waiting"] >= 0.9 * TICK
    expected = sum(profile[name] for name in OVERHEAD) / (workers.count * seconds)
    assert overhead(profile) == pytest.approx(expected)


def test_another_stopwatch_begins_at_nothing(workers: Workers) -> None:
    workers.in_order(work, range(2))
    assert sum(Stopwatch().profile(0.0, 1).values()) == 0.0
    assert overhead(Stopwatch().profile(0.0, 1)) == 0.0


def test_a_stage_of_a_name_of_its_own_is_other() -> None:
    watch = Stopwatch()
    with watch.stage("evaluation"):
        time.sleep(TICK)
    assert watch.profile(watch.elapsed, 1)["other"] >= TICK


def test_an_executor_that_does_not_say_has_as_many_workers_as_were_seen() -> None:
    workers = Workers(Inline())
    assert workers.count == 1
    assert workers.in_order(abs, [-1, 2]) == [1, 2]
    assert workers.count == 1


def test_a_fault_in_the_work_reaches_the_caller_and_spoils_no_later_time(workers: Workers) -> None:
    with pytest.raises(TypeError):
        workers.in_order(work, ["-", 1])
    assert clock.current() == clock.REST
