"""What regularised evolution promises beyond the laws of a strategy."""

# ruff: noqa: D103

import numpy as np
import pytest
from autoloss_extras.ageing import Ageing
from autoloss_extras.smooth import Smooth

from automl_loss import Outcome, Problem, Status, known_losses, standard_primitives

PROBLEM = Problem.regression((4,))


def make(**options):
    return Ageing(Ageing.Config(**options), PROBLEM, Smooth(), np.random.default_rng(0))


def outcomes(candidates, fitness=lambda candidate: 1.0 / candidate.id, status=Status.EVALUATED):
    return [Outcome(c.id, status, fitness(c) if status.completed else None, c.loss) for c in candidates]


def test_the_first_losses_have_no_parents_and_later_ones_descend_from_one_that_is_still_alive():
    strategy = make(population=6, sample=3, children=2, cycles=60)
    first = strategy.ask()
    assert len(first) == 6
    assert all(candidate.parents == () for candidate in first)
    strategy.tell(outcomes(first))
    alive = [candidate.id for candidate in first]
    while children := strategy.ask():
        assert len(children) == 2
        assert all(parent in alive for child in children for parent in child.parents)
        assert all(len(child.parents) == 1 for child in children)
        strategy.tell(outcomes(children))
        alive = [*alive, *(child.id for child in children)][-6:]
    assert alive[-1] == 60


def test_the_oldest_dies_though_it_is_the_best():
    strategy = make(population=4, sample=50, children=1, cycles=20)
    first = strategy.ask()
    # Fitness rises with age: the first loss is the best there will ever be. A sample of 50 of 4 holds all of them.
    strategy.tell(outcomes(first, fitness=float_id))
    parents = []
    for _ in range(6):
        child = strategy.ask()
        parents += child[0].parents
        strategy.tell(outcomes(child, fitness=float_id))
    assert parents == [1, 2, 3, 4, 5, 6]


def float_id(candidate):
    return float(candidate.id)


def test_what_was_not_trained_in_full_never_enters():
    strategy = make(population=4, children=2)
    for status in (Status.REJECTED, Status.DIVERGED, Status.PRUNED, Status.FAILED):
        asked = strategy.ask()
        assert [candidate.parents for candidate in asked] == [()] * 4
        strategy.tell(outcomes(asked, status=status))
    strategy.tell(outcomes(strategy.ask(), status=Status.CACHED))
    assert all(candidate.parents for candidate in strategy.ask())


@pytest.mark.parametrize("height", [2, 4])
def test_each_loss_compares_target_and_prediction_within_the_height_and_is_asked_once(height):
    strategy, keys = make(population=10, cycles=80, max_height=height), []
    while asked := strategy.ask():
        for candidate in asked:
            tree = candidate.loss.expression
            assert tree.contains("y")
            assert tree.contains("f")
            assert tree.height <= height
            keys.append(candidate.loss.key)
        strategy.tell(outcomes(asked))
    assert len(keys) == len(set(keys)) == 80


def test_a_better_member_has_more_children():
    strategy = make(population=20, sample=5, children=100, cycles=120)
    strategy.tell(outcomes(strategy.ask()))
    parents = [parent for child in strategy.ask() for parent in child.parents]
    # The best 5 of 20 win a tournament of 5 unless none of them is drawn: 1 - (15/20)^5 = 76 %.
    assert np.mean([parent > 15 for parent in parents]) == pytest.approx(0.76, abs=0.12)


def test_it_is_done_when_there_is_nothing_new_to_say():
    class Few(Smooth):
        functions = standard_primitives("sub")
        terminals = standard_primitives("y", "f")

    strategy = Ageing(Ageing.Config(max_height=2), PROBLEM, Few(), np.random.default_rng(0))
    asked = []
    while candidates := strategy.ask():
        asked += candidates
        strategy.tell(outcomes(candidates))
    assert 0 < len(asked) < 20
    assert [strategy.ask() for _ in range(5)] == [[]] * 5


def test_known_losses_come_first_as_far_as_the_words_go():
    class Squares(Smooth):
        functions = standard_primitives("sub", "square")

    def first(words, **options):
        strategy = Ageing(Ageing.Config(**options), PROBLEM, words, np.random.default_rng(0))
        return [str(candidate.loss.expression) for candidate in strategy.ask()]

    known = list(known_losses(PROBLEM).values())
    assert first(Smooth())[: len(known)] == known
    assert set(first(Squares())) & set(known) == {"square(sub(y, f))"}
    assert not set(first(Smooth(), initial="random")) & set(known)
