"""Vary expressions: one-point crossover, uniform mutation, and the height limit.

On immutable trees each is a line or two, shorter than an adapter to DEAP's lists.
"""

from __future__ import annotations

import numpy as np

from autoloss_gp.generation import TreeGenerator
from automl_loss import Expression


def crossover(receiver: Expression, donor: Expression, rng: np.random.Generator) -> Expression:
    """Apply one-point crossover: replace a random subtree of the receiver by a random subtree of the donor.

    Roots are not exchanged, as that would copy a whole parent. When one of them is a lone terminal, the
    receiver is returned unchanged.
    """
    if receiver.size < 2 or donor.size < 2:
        return receiver
    place = int(rng.integers(1, receiver.size))
    return receiver.replace(place, donor.subtree(int(rng.integers(1, donor.size))))


def mutate(
    expression: Expression, trees: TreeGenerator, depth: tuple[int, int], rng: np.random.Generator
) -> Expression:
    """Apply uniform mutation: replace a random subtree, each node equally likely, by a random tree.

    Args:
        expression: the parent.
        trees: makes the new subtree, half-and-half.
        depth: smallest and largest height of the new subtree.
        rng: source of randomness.
    """
    place = int(rng.integers(expression.size))
    return expression.replace(place, trees.half_and_half(depth, rng))


def within_height(offspring: Expression, parent: Expression, limit: int) -> Expression:
    """Return the offspring, or its parent when the offspring is higher than the limit."""
    return offspring if offspring.height <= limit else parent
