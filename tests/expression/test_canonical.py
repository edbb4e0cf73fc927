"""Canonical form: values are kept, equal functions meet, different ones do not."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.expressions import chain, expressions, points
from torch import Tensor

from automl_loss.expression import (
    Expression,
    Primitive,
    canonical,
    canonical_key,
    constant,
    parse,
    standard_primitives,
)
from automl_loss.expression.vocabulary import STANDARD_FUNCTIONS
from automl_loss.losses import Problem, known_losses

POINTS = points()
NUDGE = 1e-10


def value(tree: Expression) -> Tensor:
    return tree.evaluate(POINTS)


def steady(tree: Expression) -> Tensor:
    """Where the value is finite and rounding in the nodes does not matter, e.g. not sign(1e-17)."""
    generator = torch.Generator().manual_seed(1)
    exact = value(tree)
    calm = exact.isfinite()
    for _ in range(2):
        noise = torch.randn(tree.size, generator=generator, dtype=torch.float64)
        calm &= (tree.evaluate(POINTS, 1.0 + NUDGE * noise) - exact).abs() <= 1e-5 * (1.0 + exact.abs())
    return calm


def same_values(a: Expression, b: Expression) -> bool:
    calm = steady(a) & steady(b)
    return torch.allclose(value(a)[calm], value(b)[calm], rtol=1e-4, atol=1e-4)


@settings(max_examples=400, deadline=None)
@given(expressions(), st.booleans())
@example(parse("log(sub(0, f))"), True)
@example(parse("div(f, mul(-1, y))"), True)
@example(parse("sub(-1, f)"), False)
@example(parse("sub(0, f)"), True)
@example(parse("max(min(f, y), mul(-2, min(f, y)))"), False)
@example(parse("sign(mul(f, mul(-2, y)))"), False)
@example(parse("power(mul(-1, f), sub(y, f))"), False)
@example(parse("tanh(sub(mul(-2, f), 1))"), True)
@example(parse("sub(sub(f, f), sub(y, 1))"), True)
def test_the_value_at_unit_weights_is_kept(tree: Expression, weighted: bool) -> None:
    assert same_values(tree, canonical(tree, weighted)), canonical(tree, weighted)


def test_most_points_of_random_trees_are_compared() -> None:
    rng = random.Random(0)
    trees = [drawn(rng, 3) for _ in range(200)]
    assert sum(steady(tree).float().mean().item() for tree in trees) > 0.8 * len(trees)


@settings(max_examples=400, deadline=None)
@given(expressions(), st.booleans())
def test_the_canonical_form_is_its_own(tree: Expression, weighted: bool) -> None:
    once = canonical(tree, weighted)
    assert canonical(once, weighted) == once
    assert parse(str(once)) == once
    assert canonical_key(tree, weighted) == str(once)


@settings(max_examples=300, deadline=None)
@given(expressions([word for word in STANDARD_FUNCTIONS if word.name != "sign"]))
def test_with_weights_no_variable_gets_lost(tree: Expression) -> None:
    """Merging separately weighted subtrees would lose one. (A sign rightly loses a divisor.)"""

    def count(expression: Expression) -> dict[str, int]:
        names = [node.primitive.name for node in expression.nodes()]
        return {name: names.count(name) for name in "yf"}

    assert count(canonical(tree, weighted=True)) == count(tree)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("add(f, y)", "add(y, f)"),
        ("add(f, add(y, 1))", "add(add(1, f), y)"),
        ("mul(f, mul(y, log(f)))", "mul(mul(log(f), y), f)"),
        ("min(f, min(y, 1))", "min(min(f, 1), y)"),
        ("square(sub(y, f))", "square(sub(f, y))"),
        ("sub(y, f)", "mul(-1, sub(f, y))"),
        ("sub(y, f)", "add(y, mul(-1, f))"),
        ("sub(0, f)", "mul(f, -1)"),
        ("abs(square(f))", "square(f)"),
        ("abs(mul(-1, f))", "abs(f)"),
        ("square(abs(f))", "square(f)"),
        ("sign(sign(f))", "sign(f)"),
        ("log(mul(-1, f))", "log(f)"),
        ("log(abs(f))", "log(f)"),
        ("sqrt(abs(sub(y, f)))", "sqrt(sub(f, y))"),
        ("div(y, mul(-1, f))", "div(y, f)"),
        ("div(mul(-1, y), f)", "mul(-1, div(y, f))"),
        ("div(y, abs(f))", "div(y, f)"),
        ("tanh(sub(y, f))", "mul(-1, tanh(sub(f, y)))"),
        ("mul(1, f)", "f"),
        ("mul(-1, mul(-1, f))", "f"),
        ("mul(mul(-1, y), log(f))", "mul(-1, mul(y, log(f)))"),
        ("mul(y, mul(-1, log(f)))", "sub(0, mul(log(f), y))"),
        ("max(mul(-1, f), mul(-1, y))", "mul(-1, min(f, y))"),
        ("square(mul(f, y))", "mul(square(y), square(f))"),
        ("square(mul(2, f))", "mul(4, square(f))"),
        ("add(1, 1)", "2"),
        ("exp(mul(1, add(1, 1)))", "exp(2)"),
        ("power(mul(-1, f), y)", "power(abs(f), y)"),
    ],
)
@pytest.mark.parametrize("weighted", [True, False])
def test_the_same_function_has_one_key(one: str, other: str, weighted: bool) -> None:
    assert canonical_key(parse(one), weighted) == canonical_key(parse(other), weighted)
    assert same_values(parse(one), parse(other))


@pytest.mark.parametrize(
    ("separate", "merged"),
    [
        ("sub(f, f)", "0"),
        ("sub(1, 1)", "0"),
        ("add(f, f)", "mul(2, f)"),
        ("add(y, sub(f, f))", "y"),
        ("max(f, f)", "f"),
        ("min(log(f), log(f))", "log(f)"),
        ("mul(f, f)", "square(f)"),
        ("sub(mul(2, f), f)", "f"),
        ("mul(y, sub(1, 1))", "0"),
    ],
)
def test_separately_weighted_subtrees_merge_only_without_weights(separate: str, merged: str) -> None:
    one, other = parse(separate), parse(merged)
    assert canonical_key(one, weighted=False) == canonical_key(other, weighted=False)
    assert canonical_key(one, weighted=True) != canonical_key(other, weighted=True)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("div(y, f)", "div(f, y)"),
        ("div(y, f)", "mul(y, f)"),
        ("sub(y, f)", "add(y, f)"),
        ("min(y, f)", "max(y, f)"),
        ("log(sub(1, f))", "log(add(1, f))"),
        ("power(y, f)", "power(f, y)"),
        ("power(y, mul(-1, f))", "power(y, f)"),
        ("exp(mul(-1, f))", "exp(f)"),
        ("sigmoid(mul(-1, f))", "sigmoid(f)"),
        ("tanh(mul(-1, f))", "tanh(f)"),
        ("abs(mul(2, f))", "abs(f)"),
        ("square(add(f, 1))", "square(sub(f, 1))"),
        ("sqrt(square(f))", "abs(f)"),
        ("log(exp(f))", "f"),
    ],
)
def test_different_functions_have_different_keys(one: str, other: str, weighted: bool) -> None:
    assert canonical_key(parse(one), weighted) != canonical_key(parse(other), weighted)


@pytest.mark.parametrize(
    "problem",
    [Problem.classification((2,), 3), Problem.classification((2,), 2), Problem.regression((2,))],
    ids=lambda problem: problem.kind,
)
@pytest.mark.parametrize("weighted", [True, False])
def test_known_losses_have_keys_of_their_own(problem: Problem, weighted: bool) -> None:
    losses = known_losses(problem)
    keys = {canonical_key(parse(text), weighted) for text in losses.values()}
    assert len(keys) == len(losses) >= 4


def drawn(rng: random.Random, depth: int) -> Expression:
    words = standard_primitives(
        "add", "sub", "mul", "div", "min", "max", "sign", "square", "abs", "log", "sqrt", "tanh"
    )
    if depth == 0 or rng.random() < 0.2:
        return Expression(rng.choice(standard_primitives("y", "f", "1", "-1")))
    word = rng.choice(words)
    return Expression(word, tuple(drawn(rng, depth - 1) for _ in range(word.arity)))


@pytest.mark.parametrize("weighted", [True, False])
def test_expressions_that_share_a_key_share_their_values(weighted: bool) -> None:
    rng = random.Random(3)
    groups: defaultdict[str, set[Expression]] = defaultdict(set)
    for _ in range(2500):
        tree = drawn(rng, 3)
        groups[canonical_key(tree, weighted)].add(tree)
    shared = [sorted(group, key=str) for group in groups.values() if len(group) > 1]
    assert len(shared) > 80
    for first, *others in shared:
        for other in others[:3]:
            assert same_values(first, other), f"{first} and {other}"


def test_words_that_only_share_a_name_with_standard_ones_keep_to_themselves() -> None:
    own = Primitive("abs", 1, lambda x: x.abs() + 1)
    f = Expression(standard_primitives("f")[0])
    assert canonical_key(Expression(own, (Expression(own, (f,)),)), weighted=False) == "abs(abs(f))"


def test_commutative_words_of_a_primitive_set_are_put_in_order() -> None:
    both = Primitive("both", 2, torch.hypot, commutative=True)
    y, f = (Expression(word) for word in standard_primitives("y", "f"))
    keys = {canonical_key(Expression(both, pair), weighted=True) for pair in ((y, f), (f, y))}
    assert keys == {"both(f, y)"}


def test_constants_may_be_as_large_or_small_as_floats_are() -> None:
    texts = "mul({0}, {0})", "add({0}, {0})", "square({0})", "exp({0})", "sigmoid({0})", "div(f, {0})"
    for number in (1.7e308, 5e-324, -1.7e308):
        for text in texts:
            tree = parse(text.format(constant(number).name))
            once = canonical(tree, weighted=False)
            assert canonical(once, weighted=False) == once
            assert parse(str(once)) == once


def test_a_chain_of_hundreds_of_nodes_has_a_key() -> None:
    assert canonical(chain(400), weighted=True).contains("tanh")
