from __future__ import annotations

import numpy as np

from autoloss_gp.generation import TreeGenerator
from autoloss_gp.operators import crossover, mutate, within_height
from autoloss_gp.primitives import EvoMALPrimitives
from automl_loss import Expression, Problem, parse

PROBLEM = Problem.classification((4,), 3)

PRIMITIVES = EvoMALPrimitives()


def read(text: str) -> Expression:
    return parse(text, PRIMITIVES)


def test_crossover_gives_every_exchange_of_one_subtree_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    children = {str(crossover(read("mul(y, log(f))"), read("abs(1)"), rng)) for _ in range(100)}
    assert children == {"mul(1, log(f))", "mul(y, 1)", "mul(y, log(1))"}


def test_crossover_leaves_both_parents_as_they_were() -> None:
    receiver, donor = read("mul(y, log(f))"), read("abs(sub(y, f))")
    crossover(receiver, donor, np.random.default_rng(0))
    assert (str(receiver), str(donor)) == ("mul(y, log(f))", "abs(sub(y, f))")


def test_crossover_with_a_lone_terminal_gives_the_receiver() -> None:
    receiver, terminal = read("mul(y, f)"), read("y")
    assert crossover(receiver, terminal, np.random.default_rng(0)) is receiver
    assert crossover(terminal, receiver, np.random.default_rng(0)) is terminal


def test_mutation_changes_one_subtree_and_reaches_every_node() -> None:
    rng, trees = np.random.default_rng(0), TreeGenerator(PRIMITIVES, PROBLEM)
    parent = read("mul(y, log(f))")
    mutants = [mutate(parent, trees, (0, 0), rng) for _ in range(400)]
    leaves = ("y", "f", "1", "-1")
    expected = {
        text for x in leaves for text in (x, f"mul({x}, log(f))", f"mul(y, {x})", f"mul(y, log({x}))")
    }
    assert {str(mutant) for mutant in mutants} == expected
    roots = sum(mutant.size == 1 for mutant in mutants)
    assert 0.17 < roots / len(mutants) < 0.33  # one node of four


def test_a_new_subtree_has_a_height_in_the_range() -> None:
    rng, trees = np.random.default_rng(0), TreeGenerator(PRIMITIVES, PROBLEM)
    heights = {mutate(read("y"), trees, (0, 2), rng).height for _ in range(200)}
    assert heights == {0, 1, 2}


def test_an_offspring_above_the_limit_gives_way_to_its_parent() -> None:
    parent, child = read("mul(y, f)"), read("abs(abs(mul(y, f)))")
    assert within_height(child, parent, 3) is child
    assert within_height(child, parent, 2) is parent
