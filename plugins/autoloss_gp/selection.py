"""Select individuals: tournaments, and the elite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from deap import tools

from autoloss_gp.population import Individual
from autoloss_gp.python_random import python_random


@dataclass(frozen=True)
class _Entrant:
    individual: Individual
    fitness: int  # the name that DEAP expects; larger wins


def ranked(population: Sequence[Individual]) -> list[Individual]:
    """Return the distinct individuals, best first, by `Outcome.rank_key`, which has no ties."""
    distinct = {individual.id: individual for individual in population}
    return sorted(distinct.values(), key=lambda individual: individual.outcome.rank_key)


def elite(population: Sequence[Individual], share: float, size: int) -> list[Individual]:
    """Return the best individuals, best first.

    Args:
        population: individuals to choose from.
        share: fraction of `size` that is elite; 0 means none.
        size: nominal size of the population.

    Returns:
        `share * size` individuals, rounded, but at least one when `share` is positive.
    """
    count = max(1, round(share * size)) if share > 0 else 0
    return ranked(population)[:count]


def tournaments(
    population: Sequence[Individual], count: int, size: int, rng: np.random.Generator
) -> list[Individual]:
    """Return the winners of `count` tournaments of `size` members drawn with replacement (`deap.tools.selTournament`).

    Fitness enters by rank alone, so outcomes of every status can be compared. A member that is in the
    population twice is drawn twice as often.
    """
    places = {individual.id: place for place, individual in enumerate(ranked(population))}
    entrants = [_Entrant(individual, -places[individual.id]) for individual in population]
    with python_random(rng):
        winners = tools.selTournament(entrants, count, size)
    return [winner.individual for winner in winners]
