from __future__ import annotations

from collections.abc import Callable

from autoloss_gp.expression_strategy import ExpressionStrategy
from autoloss_gp.random_search import RandomSearch
from automl_loss import Candidate


def test_every_generation_is_full_and_without_parents(
    make: Callable[..., ExpressionStrategy], play: Callable[..., list[list[Candidate]]]
) -> None:
    generations = play(make(RandomSearch, population=10, generations=4))
    assert [len(asked) for asked in generations] == [10, 10, 10, 10]
    assert all(candidate.parents == () for asked in generations for candidate in asked)


def test_it_is_tuned_as_evomal_is() -> None:
    assert RandomSearch.default_evaluator == "bilevel"
    assert RandomSearch.tuned
