"""Random expressions, and their mutation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl_loss import Expression, Primitive, PrimitiveSet, Problem, constant

LEAF = 0.25
"""Probability that a growing branch ends before its height."""
SUBTREE_HEIGHT = 2
"""Largest height of what a mutation puts in."""


@dataclass(frozen=True)
class Trees:
    """Draws expressions over a primitive set.

    Args:
        primitives: the words; those of classification are left out elsewhere.
        problem: what terminals that become numbers depend on.
        rng: source of randomness.
    """

    primitives: PrimitiveSet
    problem: Problem
    rng: np.random.Generator

    def grow(self, height: int) -> Expression:
        """A random tree, at most so high ("grow" of Koza 1992)."""
        if height == 0 or self.rng.random() < LEAF:
            return self._leaf()
        word = self._one_of(self.primitives.functions)
        return Expression(word, tuple(self.grow(height - 1) for _ in range(word.arity)))

    def mutate(self, tree: Expression) -> Expression:
        """The tree with a random subtree, each node equally likely, in place of another."""
        place = int(self.rng.integers(tree.size))
        return tree.replace(place, self.grow(int(self.rng.integers(SUBTREE_HEIGHT + 1))))

    def _leaf(self) -> Expression:
        words = self.primitives.terminals
        word = self._one_of([w for w in words if self.problem.is_classification or not w.of_classes])
        return Expression(word if word.sample is None else constant(word.sample(self.problem, self.rng)))

    def _one_of(self, words: Sequence[Primitive]) -> Primitive:
        return words[int(self.rng.integers(len(words)))]
