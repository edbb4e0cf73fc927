from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from autoloss_gp.generation import TreeGenerator
from autoloss_gp.primitives import EvoMALPrimitives
from autoloss_gp.repair import is_complete, repair
from automl_loss import PluginError, Primitive, PrimitiveSet, Problem, parse, standard_primitives

PROBLEM = Problem.classification((4,), 3)


class Lean(PrimitiveSet):
    """A set from a few names."""

    def __init__(self, functions: tuple[str, ...], terminals: tuple[str, ...]) -> None:
        super().__init__()
        self._words = (standard_primitives(*functions), standard_primitives(*terminals))

    @property
    def functions(self) -> tuple[Primitive, ...]:
        return self._words[0]

    @property
    def terminals(self) -> tuple[Primitive, ...]:
        return self._words[1]


def test_a_repaired_tree_contains_y_and_f_and_is_at_most_one_level_higher() -> None:
    primitives, rng = EvoMALPrimitives(), np.random.default_rng(0)
    generator = TreeGenerator(primitives, PROBLEM)
    trees = [generator.half_and_half((0, 3), rng) for _ in range(300)]
    assert sum(not is_complete(tree) for tree in trees) > 50
    for tree in trees:
        fixed = repair(tree, primitives, rng)
        names = {node.primitive.name for node in fixed.nodes()}
        assert {"y", "f"} <= names
        assert fixed.height <= tree.height + 1
        assert fixed.size in (tree.size, tree.size + 2)


def test_a_complete_expression_stays_and_draws_nothing() -> None:
    primitives, rng = EvoMALPrimitives(), np.random.default_rng(0)
    before = rng.bit_generator.state
    expression = parse("square(sub(y, f))", primitives)
    assert is_complete(expression)
    assert repair(expression, primitives, rng) is expression
    assert rng.bit_generator.state == before


def test_all_four_functions_both_orders_and_all_leaves_are_used_equally() -> None:
    primitives, rng = EvoMALPrimitives(), np.random.default_rng(0)
    broken = parse("add(1, -1)", primitives)
    seen = Counter(str(repair(broken, primitives, rng)) for _ in range(3200))
    expected = {
        text
        for pair in (
            f"{name}({order})" for name in ("add", "sub", "mul", "div") for order in ("y, f", "f, y")
        )
        for text in (f"add({pair}, -1)", f"add(1, {pair})")
    }
    assert set(seen) == expected
    assert all(130 < count < 270 for count in seen.values())  # 200 expected, deviation 14


def test_a_set_without_one_of_the_functions_uses_the_others() -> None:
    primitives, rng = Lean(("mul", "abs"), ("y", "f")), np.random.default_rng(0)
    repaired = {str(repair(parse("abs(f)", primitives), primitives, rng)) for _ in range(40)}
    assert repaired == {"abs(mul(y, f))", "abs(mul(f, y))"}


@pytest.mark.parametrize(
    ("functions", "terminals", "missing"),
    [(("add",), ("f",), "no terminal y"), (("abs",), ("y", "f"), "no function of add, sub, mul, div")],
)
def test_a_set_that_cannot_say_both_is_an_error_that_says_what_is_missing(
    functions: tuple[str, ...], terminals: tuple[str, ...], missing: str
) -> None:
    primitives = Lean(functions, terminals)
    with pytest.raises(PluginError, match=missing):
        repair(parse("f", primitives), primitives, np.random.default_rng(0))
