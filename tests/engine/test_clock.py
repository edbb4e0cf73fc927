from __future__ import annotations

import time

import pytest
from support.engines import loss_of, make_engine, train

from automl_loss.engine import clock

TICK = 0.02


@pytest.fixture
def taken() -> dict[str, float]:
    """Seconds by stage before the test."""
    return clock.seconds()


def since(before: dict[str, float], name: str) -> float:
    return clock.seconds().get(name, 0.0) - before.get(name, 0.0)


def test_each_second_belongs_to_the_innermost_stage(taken: dict[str, float]) -> None:
    started = time.perf_counter()
    with clock.stage("outer"):
        time.sleep(TICK)
        with clock.stage("inner"):
            time.sleep(2 * TICK)
            with clock.stage("outer"):
                time.sleep(TICK)
        with clock.stage("inner"):
            time.sleep(TICK)
    elapsed = time.perf_counter() - started
    assert since(taken, "outer") + since(taken, "inner") == pytest.approx(elapsed, abs=1e-3)
    # Sleeping takes at least as long as was asked for.
    assert since(taken, "outer") >= 2 * TICK
    assert since(taken, "inner") >= 3 * TICK


def test_a_stage_that_fails_is_counted_and_the_next_ones_are_right(taken: dict[str, float]) -> None:
    def fail() -> None:
        with clock.stage("outer"), clock.stage("inner"):
            time.sleep(TICK)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with clock.stage("next"):
        time.sleep(TICK)
    assert since(taken, "inner") >= TICK
    assert since(taken, "outer") < TICK
    assert since(taken, "next") >= TICK
    assert clock.current() == clock.REST


def test_a_timed_call_gives_its_seconds_to_the_caller_and_to_no_stage_around_it(
    taken: dict[str, float],
) -> None:
    @clock.timed("inner")
    def work(value: int) -> int:
        time.sleep(TICK)
        return value

    with clock.stage("around"):
        started = time.perf_counter()
        value, seconds = clock.timed_call("call", work, 3)
        elapsed = time.perf_counter() - started
    assert value == 3
    assert set(seconds) == {"call", "inner"}
    assert sum(seconds.values()) == pytest.approx(elapsed, abs=1e-3)
    assert since(taken, "inner") == 0.0
    assert since(taken, "around") < TICK / 2
    clock.add(seconds)
    assert since(taken, "inner") == pytest.approx(seconds["inner"])


@pytest.mark.parametrize(("outside", "counted"), [("training", True), ("tuning", True), ("filters", False)])
def test_kernels_are_a_stage_of_their_own_in_training_and_tuning_alone(outside: str, counted: bool) -> None:
    @clock.timed("kernels")
    def kernel() -> None:
        time.sleep(TICK)

    _, seconds = clock.timed_call(outside, kernel)
    assert set(seconds) == ({outside, "kernels"} if counted else {outside})


def test_training_tuning_and_filters_of_an_engine_add_up_to_the_time_they_took() -> None:
    engine = make_engine()
    losses = [loss_of("square(sub(y, f))"), loss_of("abs(sub(y, f))")]

    def work() -> float:
        begun = time.perf_counter()
        train(engine, engine.match_scale([tuned.loss for tuned in engine.tune(losses)]))
        engine.gradient_ratios(losses)
        return time.perf_counter() - begun

    started = time.perf_counter()
    within, seconds = clock.timed_call("rest", work)
    around = time.perf_counter() - started
    assert set(seconds) == {"training", "tuning", "kernels", "filters", "rest"}
    assert all(value > 0 for value in seconds.values())
    assert within - 1e-6 <= sum(seconds.values()) <= around + 1e-6


def test_a_stage_costs_next_to_nothing_beside_a_kernel() -> None:
    count, taken = 2000, []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(count):
            with clock.stage("empty"):
                pass
        taken.append((time.perf_counter() - started) / count)
    # The least: on a busy machine any of them may have been interrupted.
    assert min(taken) < 20e-6
