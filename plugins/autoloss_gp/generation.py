"""Generate random trees by DEAP, and convert them to immutable expressions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from deap import gp

from autoloss_gp.python_random import python_random
from automl_loss import Expression, PrimitiveSet, Problem, constant


class TreeGenerator:
    """Half-and-half random trees over a primitive set (Koza 1992; `deap.gp.genHalfAndHalf`).

    The height is uniform between two bounds (over many trees: ramped). Half the trees are full, with all
    leaves at that height; half are grown, where a node between the bounds is a terminal with a probability
    equal to the share of terminals in the set. Of DEAP only the generator is used: no `creator`, and
    nothing is compiled.

    Args:
        primitives: those that trees are made of; those of classification are used in classification only.
        problem: passed to terminals that are replaced by numbers (`Primitive.sample`).
    """

    def __init__(self, primitives: PrimitiveSet, problem: Problem) -> None:
        self._problem = problem
        terminals = [
            word for word in primitives.terminals if problem.is_classification or not word.of_classes
        ]
        self._words = {word.name: word for word in (*primitives.functions, *terminals)}
        self._deap_set = gp.PrimitiveSet("loss", 0)
        for function in primitives.functions:
            self._deap_set.addPrimitive(function, function.arity, name=function.name)
        for terminal in terminals:
            self._deap_set.addTerminal(terminal, name=terminal.name)

    def half_and_half(self, depth: tuple[int, int], rng: np.random.Generator) -> Expression:
        """Generate one random tree.

        Args:
            depth: smallest and largest height; a lone terminal has height 0.
            rng: source of randomness.

        Returns:
            A tree of a height in the range. It may lack y or f, see `repair`.
        """
        with python_random(rng):
            nodes = gp.genHalfAndHalf(self._deap_set, *depth)
        return self._read(iter(nodes), rng)

    def _read(self, nodes: Iterator[gp.Primitive | gp.Terminal], rng: np.random.Generator) -> Expression:
        """Read the next whole subtree of DEAP's nodes, which come in pre-order."""
        word = self._words[next(nodes).name]
        if word.sample is not None:
            return Expression(constant(word.sample(self._problem, rng)))
        return Expression(word, tuple(self._read(nodes, rng) for _ in range(word.arity)))
