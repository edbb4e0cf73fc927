from __future__ import annotations

import numpy as np

from autoloss_gp.generation import TreeGenerator
from autoloss_gp.primitives import EvoMALPrimitives, ExtendedPrimitives
from automl_loss import Problem

DIGITS = Problem.classification((4,), 10)


def test_the_set_is_the_published_one() -> None:
    primitives = EvoMALPrimitives()
    assert {(word.name, word.arity) for word in primitives.functions} == {
        *((name, 2) for name in ("add", "sub", "mul", "div", "min", "max")),
        *((name, 1) for name in ("sign", "square", "abs", "log", "sqrt", "tanh")),
    }
    assert [word.name for word in primitives.terminals] == ["y", "f", "1", "-1"]
    assert all(word.arity == 0 for word in primitives.terminals)


def test_every_word_has_an_instruction_for_the_kernels() -> None:
    primitives = EvoMALPrimitives()
    assert all(word.opcode is not None for word in (*primitives.functions, *primitives.terminals))


def words_of_many_trees(primitives: ExtendedPrimitives, problem: Problem) -> set[str]:
    trees, rng = TreeGenerator(primitives, problem), np.random.default_rng(0)
    drawn = [trees.half_and_half((2, 4), rng) for _ in range(300)]
    return {node.primitive.name for tree in drawn for node in tree.nodes()}


def test_the_extended_set_adds_functions_the_class_prior_and_numbers() -> None:
    names = words_of_many_trees(ExtendedPrimitives(), DIGITS)
    assert {"exp", "sigmoid", "power", "prior", "0.1", "log", "y", "f"} <= names
    assert not {"1/classes", "constant"} & names
    numbers = [float(name) for name in names if name.lstrip("-")[0].isdigit()]
    assert len(numbers) > 50
    assert all(float(f"{number:.3g}") == number for number in numbers)
    assert -3 < min(numbers) < -1 < 1 < max(numbers) < 4


def test_equal_generators_draw_equal_numbers() -> None:
    trees = TreeGenerator(ExtendedPrimitives(), DIGITS)
    one, two = ([trees.half_and_half((2, 4), rng) for _ in range(20)]
                for rng in (np.random.default_rng(3), np.random.default_rng(3)))  # fmt: skip
    assert one == two


def test_in_regression_and_by_option_words_are_left_out() -> None:
    assert not {"prior", "1/classes"} & words_of_many_trees(ExtendedPrimitives(), Problem.regression((4,)))
    plain = ExtendedPrimitives(ExtendedPrimitives.Config(prior=False, constants=False))
    assert [word.name for word in plain.terminals] == ["y", "f", "1", "-1", "1/classes"]


def test_only_the_prior_lacks_an_instruction_for_the_kernels() -> None:
    primitives = ExtendedPrimitives()
    words = (*primitives.functions, *primitives.terminals)
    assert [word.name for word in words if word.opcode is None] == ["prior"]
