from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from support.engines import loss_of, make_engine, train

from autoloss_evaluators.bilevel import Bilevel
from autoloss_evaluators.partial_training import PartialTraining
from automl_loss import Candidate, Context, Engine, Evaluator, HandcraftedLoss, Outcome, Status

TEXTS = [
    "square(sub(y, f))",
    "mul(mul(-1, y), log(f))",
    "abs(sub(y, f))",
    "mul(mul(-1, y), sqrt(f))",
    "mul(f, sub(f, y))",
]


def context_of(engine: Engine, calls: list[int] | None = None) -> Context:
    def inline(stage: Any, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
        if calls is not None:
            calls.append(len(candidates))
        return iter(stage(tuple(candidates)))

    return Context(engine.problem, engine, {}, np.random.default_rng(0), inline, lambda outcomes: None)


def candidates(**options: Any) -> list[Candidate]:
    return [Candidate(i, loss_of(text), 0, **options) for i, text in enumerate(TEXTS, start=1)]


def test_partial_training_gives_the_engines_fitness_at_matched_scale_and_keeps_weights() -> None:
    engine = make_engine(training={"top_seeds": 0})
    outcomes = PartialTraining(None).evaluate(candidates(), context_of(engine))
    expected = train(engine, engine.match_scale([loss_of(text) for text in TEXTS]))
    assert [o.fitness for o in outcomes] == [result.fitness for result in expected]
    assert all(o.loss.weights == c.loss.weights for o, c in zip(outcomes, candidates(), strict=True))


def test_bilevel_trains_under_the_tuned_loss() -> None:
    engine = make_engine(training={"top_seeds": 0}, tuning={"steps": 20, "lr": 0.05})
    outcomes = Bilevel(None).evaluate(candidates(), context_of(engine))
    assert outcomes[0].loss.weights != loss_of(TEXTS[0]).weights
    assert [o.fitness for o in outcomes] == [r.fitness for r in train(engine, [o.loss for o in outcomes])]


def test_the_top_fifth_is_averaged_over_further_seeds() -> None:
    engine = make_engine(training={"top_seeds": 2})
    calls: list[int] = []
    outcomes = PartialTraining(None).evaluate(candidates(), context_of(engine, calls))
    assert calls == [5, 2]
    averaged = [outcome for outcome in outcomes if "seeds" in outcome.metrics]
    assert len(averaged) == 1
    (best,) = averaged
    runs = [train(engine, [best.loss], seed=engine.search_seed(i))[0].fitness for i in range(3)]
    assert best.fitness == pytest.approx(fmean(value for value in runs if value is not None))
    assert best.steps == 60


def test_more_seeds_average_every_candidate() -> None:
    engine = make_engine(training={"seeds": 2, "top_seeds": 0})
    outcome = PartialTraining(None).evaluate(candidates()[:1], context_of(engine))[0]
    runs = [train(engine, [outcome.loss], seed=engine.search_seed(i))[0].fitness for i in range(2)]
    assert outcome.fitness == pytest.approx(fmean(value for value in runs if value is not None))


def test_a_loss_that_diverges_is_an_outcome_that_says_when() -> None:
    engine = make_engine()
    mixed = [*candidates()[:2], Candidate(3, loss_of("square(sub(y, f))"), 0, overrides={"lr": 1e30})]
    outcomes = PartialTraining(None).evaluate(mixed, context_of(engine))
    assert [outcome.status for outcome in outcomes] == [Status.EVALUATED, Status.EVALUATED, Status.DIVERGED]
    assert outcomes[2].fitness is None
    assert "step" in outcomes[2].message


def test_a_candidates_own_learning_rate_counts() -> None:
    engine = make_engine(training={"top_seeds": 0})
    own = PartialTraining(None).evaluate(candidates(overrides={"lr": 0.3}), context_of(engine))
    losses = engine.match_scale([loss_of(text) for text in TEXTS])
    assert [o.fitness for o in own] == [r.fitness for r in train(engine, losses, lr=0.3)]


def test_outcomes_come_in_the_order_of_the_candidates_whatever_their_kind() -> None:
    engine = make_engine()
    mixed = [Candidate(1, HandcraftedLoss("gce", "multiclass"), 0), *candidates()[1:3]]
    for evaluator in (Bilevel(None), PartialTraining(None)):
        assert [o.id for o in evaluator.evaluate(mixed, context_of(engine))] == [1, 2, 3]


def test_no_candidates_give_no_outcomes() -> None:
    assert PartialTraining(None).evaluate([], context_of(make_engine())) == []


def raced(engine: Engine, evaluator: Evaluator, calls: list[int] | None = None) -> list[Outcome]:
    """The candidates, raced against a first generation of themselves, whose rungs rank as the end does."""
    first = {
        i: Outcome(
            i, Status.EVALUATED, value, loss_of(TEXTS[0]), rungs=tuple(value for _ in engine.training.rungs)
        )
        for i, value in enumerate([-0.1, 0.2, 0.3, 0.4, 0.5], start=11)
    }
    context = replace(context_of(engine, calls), archive=first, generations=(range(11, 16),))
    return evaluator.evaluate(candidates(), context)


@pytest.mark.parametrize("seeds", [1, 2])
def test_candidates_are_raced_at_the_rungs_and_each_stops_where_an_unraced_run_says(seeds: int) -> None:
    engine = make_engine(
        dtype="float64", training={"steps": 40, "rungs": (20, 30), "seeds": seeds, "top_seeds": 0}
    )
    losses = engine.match_scale([loss_of(text) for text in TEXTS])
    runs = [
        train(engine, losses, rungs=(20, 30), seed=engine.search_seed(k)) for k in range(seeds)
    ]  # fmt: skip
    rungs = [[fmean(run[i].rungs[k] for run in runs) for i in range(5)] for k in (0, 1)]
    second = sorted(range(5), key=lambda i: (rungs[0][i], i))[:3]
    last = sorted(second, key=lambda i: (rungs[1][i], i))[:2]
    calls: list[int] = []
    outcomes = raced(engine, PartialTraining(None), calls)
    assert calls == [5, 3, 2]
    for i, outcome in enumerate(outcomes):
        steps = 40 if i in last else 30 if i in second else 20
        assert outcome.status is (Status.EVALUATED if i in last else Status.PRUNED)
        assert outcome.steps == steps * seeds
        assert outcome.rungs == pytest.approx([rungs[0][i], rungs[1][i]][: 1 if steps == 20 else 2])
        assert not outcome.paused
        if i in last:
            assert outcome.fitness == pytest.approx(fmean(run[i].fitness or 0.0 for run in runs))


def test_a_raced_candidate_keeps_the_loss_and_the_cost_of_its_tuning() -> None:
    options: dict[str, Any] = {"training": {"steps": 40, "rungs": (20,), "top_seeds": 0}}
    exact = {"steps": 4, "lr": 0.05, "gradient": "exact"}
    outcomes = raced(make_engine(**options, tuning=exact), Bilevel(None))
    whole = Bilevel(None).evaluate(
        candidates(), context_of(make_engine(training={"steps": 40, "top_seeds": 0}, tuning=exact))
    )
    assert [o.loss for o in outcomes] == [o.loss for o in whole]
    for one, other in zip(outcomes, whole, strict=True):
        left = 0 if one.status is Status.EVALUATED else 20
        assert one.steps == other.steps - left
        assert one.metrics["tuned_exactly"] == 1.0
        assert one.cost == pytest.approx(one.steps / other.steps)


def test_further_seeds_of_the_best_are_not_raced() -> None:
    engine = make_engine(training={"steps": 40, "rungs": (20,), "top_seeds": 2})
    calls: list[int] = []
    outcomes = raced(engine, PartialTraining(None), calls)
    assert calls == [5, 3, 2]
    (best,) = [outcome for outcome in outcomes if "seeds" in outcome.metrics]
    assert best.steps == 120


def test_tuned_losses_can_be_filtered_again() -> None:
    engine = make_engine(rejection=10.0, tuning={"steps": 3})
    outcomes = Bilevel(None).evaluate(candidates(), context_of(engine))
    assert {outcome.status for outcome in outcomes} == {Status.REJECTED}
