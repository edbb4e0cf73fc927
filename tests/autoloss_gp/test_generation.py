from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from autoloss_gp.generation import TreeGenerator
from autoloss_gp.primitives import EvoMALPrimitives
from automl_loss import Expression, Problem, parse

PROBLEM = Problem.classification((4,), 3)


def leaf_depths(expression: Expression, depth: int = 0) -> set[int]:
    if not expression.children:
        return {depth}
    return set().union(*(leaf_depths(child, depth + 1) for child in expression.children))


@pytest.fixture(scope="module")
def trees() -> list[Expression]:
    generator, rng = TreeGenerator(EvoMALPrimitives(), PROBLEM), np.random.default_rng(0)
    return [generator.half_and_half((2, 4), rng) for _ in range(600)]


def test_heights_are_uniform_between_the_bounds(trees: list[Expression]) -> None:
    # Full trees have exactly the height drawn. Grown trees can be lower than drawn, never than the smallest.
    full = Counter(tree.height for tree in trees if len(leaf_depths(tree)) == 1 and tree.height > 2)
    assert {tree.height for tree in trees} == {2, 3, 4}
    assert 0.6 < full[3] / full[4] < 1.7


def test_half_of_the_trees_are_full_and_the_others_grown(trees: list[Expression]) -> None:
    # Full besides the full half: all grown trees of the smallest height, and some that grew evenly by chance.
    full = sum(len(leaf_depths(tree)) == 1 for tree in trees)
    assert 0.5 + 0.5 / 3 < full / len(trees) < 0.95


def test_every_word_of_the_set_is_used_and_arities_are_right(trees: list[Expression]) -> None:
    primitives = EvoMALPrimitives()
    nodes = [node for tree in trees for node in tree.nodes()]
    assert all(len(node.children) == node.primitive.arity for node in nodes)
    assert {node.primitive.name for node in nodes} == {
        word.name for word in (*primitives.functions, *primitives.terminals)
    }


def test_trees_are_expressions_of_the_set(trees: list[Expression]) -> None:
    primitives = EvoMALPrimitives()
    assert all(parse(str(tree), primitives) == tree for tree in trees[:50])


def test_same_generator_state_same_tree() -> None:
    generator = TreeGenerator(EvoMALPrimitives(), PROBLEM)
    first, second = (
        [str(generator.half_and_half((0, 3), rng)) for _ in range(20)]
        for rng in (np.random.default_rng(3), np.random.default_rng(3))
    )
    assert first == second
    assert len(set(first)) > 5
