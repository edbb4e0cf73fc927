from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from autoloss_gp.population import Individual
from autoloss_gp.primitives import EvoMALPrimitives
from autoloss_gp.selection import elite, ranked, tournaments
from automl_loss import Outcome, Status, SymbolicLoss, parse

EXPRESSION = parse("square(sub(y, f))", EvoMALPrimitives())
LOSS = SymbolicLoss(EXPRESSION, weights=(1.0,) * EXPRESSION.size)


def individual(id: int, fitness: float | None, status: Status = Status.EVALUATED) -> Individual:
    return Individual(EXPRESSION, Outcome(id, status, fitness, LOSS))


def test_completed_come_first_by_fitness_then_the_rest_in_order_of_asking() -> None:
    population = [
        individual(1, None, Status.REJECTED),
        individual(2, 0.5),
        individual(3, 0.1, Status.CACHED),
        individual(4, None, Status.FAILED),
        individual(5, 0.5),
        individual(6, None, Status.DIVERGED),
    ]
    assert [member.id for member in ranked(population[::-1])] == [3, 2, 5, 1, 4, 6]


@pytest.mark.parametrize(
    ("share", "size", "count"), [(0.05, 25, 1), (0.05, 4, 1), (0.1, 30, 3), (0.0, 25, 0)]
)
def test_the_elite_is_a_share_and_at_least_one_unless_zero(share: float, size: int, count: int) -> None:
    population = [individual(id, 1.0 / id) for id in range(1, size + 1)]
    assert [member.id for member in elite(population, share, size)] == [size - i for i in range(count)]


def test_a_member_twice_in_the_population_is_once_in_the_elite() -> None:
    best, other = individual(1, 0.1), individual(2, 0.2)
    assert elite([best, best, other], 0.5, 4) == [best, other]


def test_winners_follow_the_distribution_of_a_tournament() -> None:
    # The best of n wins a tournament of k, drawn with replacement, with probability 1 - (1 - 1/n)^k.
    population = [individual(id, id / 10) for id in range(1, 11)]
    wins = Counter(w.id for w in tournaments(population, 4000, 4, np.random.default_rng(0)))
    for place, id in enumerate(range(1, 11)):
        expected = (1 - place / 10) ** 4 - (1 - (place + 1) / 10) ** 4
        assert wins[id] / 4000 == pytest.approx(expected, abs=0.03)


def test_equal_fitness_is_settled_by_the_order_of_asking() -> None:
    population = [individual(id, 0.5) for id in (3, 1, 2)]
    winners = tournaments(population, 200, 8, np.random.default_rng(0))
    assert Counter(w.id for w in winners)[1] > 150


def test_same_generator_state_same_winners() -> None:
    population = [individual(id, id / 10) for id in range(1, 11)]
    first, second = (tournaments(population, 30, 2, np.random.default_rng(4)) for _ in range(2))
    assert first == second
