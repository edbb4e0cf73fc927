from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from support.engines import loss_of, make_engine

from autoloss_evaluators.bilevel import Bilevel
from autoloss_evaluators.partial_training import PartialTraining
from automl_loss import Candidate, Context, Engine, HandcraftedLoss, Outcome, Status

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
    expected = engine.train(engine.match_scale([loss_of(text) for text in TEXTS]))
    assert [o.fitness for o in outcomes] == [result.fitness for result in expected]
    assert all(o.loss.weights == c.loss.weights for o, c in zip(outcomes, candidates(), strict=True))


def test_bilevel_trains_under_the_tuned_loss() -> None:
    engine = make_engine(training={"top_seeds": 0}, tuning={"steps": 20, "lr": 0.05})
    outcomes = Bilevel(None).evaluate(candidates(), context_of(engine))
    assert outcomes[0].loss.weights != loss_of(TEXTS[0]).weights
    assert [o.fitness for o in outcomes] == [r.fitness for r in engine.train([o.loss for o in outcomes])]


def test_the_top_fifth_is_averaged_over_further_seeds() -> None:
    engine = make_engine(training={"top_seeds": 2})
    calls: list[int] = []
    outcomes = PartialTraining(None).evaluate(candidates(), context_of(engine, calls))
    assert calls == [5, 1]
    averaged = [outcome for outcome in outcomes if "seeds" in outcome.metrics]
    assert len(averaged) == 1
    (best,) = averaged
    runs = [engine.train([best.loss], seed=engine.search_seed(i))[0].fitness for i in range(3)]
    assert best.fitness == pytest.approx(fmean(value for value in runs if value is not None))
    assert best.steps == 60


def test_more_seeds_average_every_candidate() -> None:
    engine = make_engine(training={"seeds": 2, "top_seeds": 0})
    outcome = PartialTraining(None).evaluate(candidates()[:1], context_of(engine))[0]
    runs = [engine.train([outcome.loss], seed=engine.search_seed(i))[0].fitness for i in range(2)]
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
    assert [o.fitness for o in own] == [r.fitness for r in engine.train(losses, lr=0.3)]


def test_outcomes_come_in_the_order_of_the_candidates_whatever_their_kind() -> None:
    engine = make_engine()
    mixed = [Candidate(1, HandcraftedLoss("gce", "multiclass"), 0), *candidates()[1:3]]
    for evaluator in (Bilevel(None), PartialTraining(None)):
        assert [o.id for o in evaluator.evaluate(mixed, context_of(engine))] == [1, 2, 3]


def test_no_candidates_give_no_outcomes() -> None:
    assert PartialTraining(None).evaluate([], context_of(make_engine())) == []


def test_tuned_losses_can_be_filtered_again() -> None:
    engine = make_engine(rejection=10.0, tuning={"steps": 3})
    outcomes = Bilevel(None).evaluate(candidates(), context_of(engine))
    assert {outcome.status for outcome in outcomes} == {Status.REJECTED}
