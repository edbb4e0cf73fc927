from __future__ import annotations

from typing import Any

import pytest
from support.engines import Blobs, loss_of, make_engine, norm_and_dropout, small_mlp, train

from automl_loss import Lane, Problem, Schedule, Trained, task_loss
from automl_loss.engine.engine import Engine

PROBLEM = Problem.classification((6,), 3)
LOSSES = [
    loss_of("mul(mul(-1, y), log(f))"),
    loss_of("square(sub(y, f))"),
    task_loss(PROBLEM),
    loss_of("abs(sub(y, f))"),
]
LRS = [0.05, 0.3, 0.1, 0.2]
RUNGS = (20, 27)


def legs(engine: Engine, *stops: int | None, **options: Any) -> list[Trained]:
    """Train in legs, pausing at each stop."""
    held: list[bytes] = []
    results: list[Trained] = []
    for stop in stops:
        results = train(engine, LOSSES, lr=LRS, rungs=RUNGS, until=stop, paused=held, **options)
        held = [result.paused for result in results if result.paused is not None]
    return results


@pytest.mark.parametrize(
    ("network", "training"),
    [
        (small_mlp, {}),
        (small_mlp, {"nesterov": False, "milestones": (0.4, 0.6)}),
        (small_mlp, {"momentum": 0.0}),
        (small_mlp, {"optimizer": "adamw"}),
        (norm_and_dropout, {}),
        (norm_and_dropout, {"optimizer": "adamw", "width": 1}),
        (small_mlp, {"width": 3}),
    ],
    ids=["nesterov", "milestones", "no momentum", "adamw", "batchnorm-dropout", "one by one", "parts"],
)
def test_pausing_changes_no_bit(network: Any, training: dict[str, Any]) -> None:
    engine = make_engine(network, training={"steps": 40, "weight_decay": 5e-4, **training})
    whole = train(engine, LOSSES, lr=LRS, rungs=RUNGS)
    for one, other in zip(legs(engine, 20, 27, None), whole, strict=True):
        assert (one.curve, one.rungs, one.best_step) == (other.curve, other.rungs, other.best_step)
        assert (one.fitness, one.last, one.steps) == (other.fitness, other.last, 40)
        assert one.paused is None


def test_a_paused_run_says_what_it_has_seen_so_far() -> None:
    engine = make_engine(training={"steps": 40})
    for part, whole in zip(legs(engine, 20), train(engine, LOSSES, lr=LRS, rungs=RUNGS), strict=True):
        assert (part.steps, part.rungs, part.fitness) == (20, whole.rungs[:1], whole.rungs[0])
        assert part.curve == whole.curve[: len(part.curve)]


def test_runs_on_several_seeds_are_paused_each_with_its_own_batches() -> None:
    engine = make_engine(norm_and_dropout, training={"steps": 40})
    seeds = [7, 8, 7, 8]
    whole = train(engine, LOSSES, lr=LRS, rungs=RUNGS, seed=seeds)
    assert [r.curve for r in legs(engine, 20, None, seed=seeds)] == [r.curve for r in whole]


def test_a_run_goes_on_in_other_company_as_it_would_have_in_the_old_but_for_rounding() -> None:
    engine = make_engine(dtype="float64", training={"steps": 40})
    whole = train(engine, LOSSES, lr=LRS, rungs=RUNGS)
    half = legs(engine, 20)
    chosen = [3, 1]
    rest = train(engine,
        [LOSSES[i] for i in chosen], lr=[LRS[i] for i in chosen], rungs=RUNGS,
        paused=[half[i].paused or b"" for i in chosen],
    )  # fmt: skip
    for i, result in zip(chosen, rest, strict=True):
        assert result.curve == pytest.approx(whole[i].curve)


def test_a_run_that_diverges_is_not_paused_and_its_neighbours_are() -> None:
    engine = make_engine(training={"steps": 40})
    good, bad = train(engine, [LOSSES[0], LOSSES[1].with_scale(1e30)], lr=[0.1, 1e30], rungs=RUNGS, until=20)
    assert (good.paused is None, bad.paused) == (False, None)
    assert bad.diverged
    assert bad.steps < 20


def test_a_run_that_diverges_after_its_pause_says_when_counted_from_the_start() -> None:
    engine = make_engine(training={"steps": 40})
    half = legs(engine, 20)[0].paused or b""
    ended = train(engine, [LOSSES[0].with_scale(1e30)], lr=1e30, rungs=RUNGS, paused=[half])[0]
    assert ended.diverged
    assert 20 < ended.steps < 40


def test_training_pauses_at_rungs_alone_because_each_is_a_look() -> None:
    with pytest.raises(ValueError, match=r"step 10, which is none of the rungs \[20, 27\]"):
        legs(make_engine(training={"steps": 40}), 10)
    assert legs(make_engine(training={"steps": 40}), 40)[0].paused is None


def test_paused_runs_go_with_their_losses_and_steps() -> None:
    engine = make_engine(training={"steps": 40})
    early, late = legs(engine, 20)[0].paused or b"", legs(engine, 27)[0].paused or b""
    lanes = [Lane(LOSSES[0], 0.1, 3, paused=early), Lane(LOSSES[1], 0.1, 3)]
    with pytest.raises(ValueError, match="1 of 2 lanes are paused"):
        engine.train(lanes, Schedule(40, rungs=RUNGS))
    with pytest.raises(ValueError, match=r"steps \[20, 27\]"):
        train(engine, LOSSES[:2], rungs=RUNGS, paused=[early, late])


def test_a_part_of_a_run_meets_no_test_rows() -> None:
    with pytest.raises(ValueError, match="whole runs"):
        legs(make_engine(training={"steps": 40}), 20, test=Blobs(None).test(0))
