"""Laws of all three strategies."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from autoloss_gp.evomal import EvoMAL
from autoloss_gp.expression_strategy import ExpressionStrategy
from autoloss_gp.gp_lfl import GPLFL
from autoloss_gp.primitives import EvoMALPrimitives
from autoloss_gp.random_search import RandomSearch
from automl_loss import Candidate, Outcome, Problem, Status, canonical_key

Make = Callable[..., ExpressionStrategy]
Play = Callable[..., list[list[Candidate]]]

pytestmark = pytest.mark.parametrize("kind", [EvoMAL, GPLFL, RandomSearch])


def told(candidate: Candidate) -> Outcome:
    return Outcome(candidate.id, Status.EVALUATED, candidate.id * 37 % 11 / 11, candidate.loss)


def test_same_seed_and_same_tells_give_the_same_asks(
    kind: type[ExpressionStrategy], make: Make, play: Play
) -> None:
    first, second = (play(make(kind, seed=3, generations=6)) for _ in range(2))
    assert first == second
    assert play(make(kind, seed=4, generations=6)) != first


def test_asks_depend_on_the_tells_unless_search_is_random(
    kind: type[ExpressionStrategy], make: Make, play: Play
) -> None:
    usual = play(make(kind, generations=3))
    other = play(make(kind, generations=3), told)
    assert (usual == other) == (kind is RandomSearch)


def test_interleaved_instances_share_nothing(kind: type[ExpressionStrategy], make: Make, play: Play) -> None:
    alone = play(make(kind, seed=1, generations=4), told)
    one, other = make(kind, seed=1, generations=4), make(kind, seed=2, generations=9)
    for generation in alone:
        random.random()
        other.tell([told(candidate) for candidate in other.ask()])
        candidates = one.ask()
        assert candidates == generation
        one.tell([told(candidate) for candidate in candidates])


def test_global_random_state_is_untouched(kind: type[ExpressionStrategy], make: Make, play: Play) -> None:
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    play(make(kind, generations=3))
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert after == before


def test_ids_count_from_one_and_generations_from_zero(
    kind: type[ExpressionStrategy], make: Make, play: Play
) -> None:
    generations = play(make(kind, generations=5))
    assert len(generations) == 5
    candidates = [candidate for generation in generations for candidate in generation]
    assert [candidate.id for candidate in candidates] == list(range(1, len(candidates) + 1))
    assert all(c.generation == number for number, asked in enumerate(generations) for c in asked)
    assert all(parent < candidate.id for candidate in candidates for parent in candidate.parents)


def test_a_strategy_that_is_done_stays_done(kind: type[ExpressionStrategy], make: Make) -> None:
    strategy = make(kind, generations=1)
    assert len(strategy.ask()) == 25
    assert strategy.ask() == strategy.ask() == []


def test_every_loss_contains_y_and_f(kind: type[ExpressionStrategy], make: Make, play: Play) -> None:
    generations = play(make(kind, generations=8, initial_depth=(0, 2)))
    for generation in generations:
        for candidate in generation:
            assert {"y", "f"} <= {node.primitive.name for node in candidate.loss.expression.nodes()}


def test_no_loss_is_asked_twice_in_a_run(kind: type[ExpressionStrategy], make: Make, play: Play) -> None:
    generations = play(make(kind, generations=10, initial_depth=(0, 2)))
    keys = [
        canonical_key(candidate.loss.expression, kind.tuned) for asked in generations for candidate in asked
    ]
    assert len(keys) > 150
    assert len(set(keys)) == len(keys)


def test_weights_are_fresh_normal_ones_when_tuned_and_exactly_one_otherwise(
    kind: type[ExpressionStrategy], make: Make, play: Play
) -> None:
    losses = [c.loss for asked in play(make(kind, generations=8)) for c in asked]
    assert all(len(loss.weights) == loss.expression.size for loss in losses)
    weights = np.concatenate([loss.weights for loss in losses])
    if kind is GPLFL:
        assert set(weights) == {1.0}
    else:
        assert len(set(weights)) == len(weights) > 1000
        assert weights.mean() == pytest.approx(1.0, abs=1e-4)
        assert weights.std() == pytest.approx(1e-3, rel=0.1)


def test_activation_reaches_every_loss(kind: type[ExpressionStrategy], make: Make) -> None:
    for candidate in make(kind, activation="softplus", initial_depth=(1, 2)).ask():
        raw = torch.linspace(-3, 3, 12).reshape(4, 3)
        assert (candidate.loss.value(raw, torch.ones(4, 3)) >= 0).all()


def test_a_space_that_is_exhausted_ends_the_search(
    kind: type[ExpressionStrategy], make: Make, play: Play
) -> None:
    options = {} if kind is RandomSearch else {"mutation_depth": (0, 0), "max_height": 1}
    generations = play(make(kind, initial_depth=(0, 0), generations=1000, **options))
    assert len(generations) < 1000
    losses = {str(c.loss.expression) for asked in generations for c in asked}
    # Of height 1: y and f joined by one of six functions, in one order where they commute.
    assert all(c.loss.expression.height == 1 for asked in generations for c in asked)
    assert 4 <= len(losses) <= 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial_depth": (4, 2)}, r"smallest height comes first, but got \[4, 2\]"),
        ({"population": 1}, "greater than or equal to 2"),
        ({"populaton": 30}, "populaton"),
        ({"initial_depth": (1.5, 2)}, "valid integer"),
    ],
)
def test_wrong_options_are_refused(
    kind: type[ExpressionStrategy], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        kind.Config(**options)


def test_depths_may_be_lists_as_in_yaml(kind: type[ExpressionStrategy]) -> None:
    assert kind.Config(initial_depth=[1, 3]).initial_depth == (1, 3)


@pytest.mark.parametrize(
    "problem", [Problem.classification((4,), 2), Problem.classification((4,), 5), Problem.regression((4,), 2)]
)
def test_every_kind_of_problem_is_accepted(kind: type[ExpressionStrategy], problem: Problem) -> None:
    config = kind.Config()
    assert kind.check(config, problem) == []
    assert len(kind(config, problem, EvoMALPrimitives(), np.random.default_rng(0)).ask()) == 25
