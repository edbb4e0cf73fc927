"""The tree: numbering, surgery, equality, evaluation."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.expressions import chain, expressions, points

from automl_loss.errors import ExpressionError
from automl_loss.expression import Expression, Primitive, parse, standard_primitives


def preorder(expression: Expression) -> list[str]:
    """By the definition, recursively."""
    return [str(expression), *(text for child in expression.children for text in preorder(child))]


def height(expression: Expression) -> int:
    return 1 + max(map(height, expression.children)) if expression.children else 0


@settings(deadline=None)
@given(expressions())
def test_nodes_come_in_preorder_and_size_and_height_count_them(tree: Expression) -> None:
    assert [str(node) for node in tree.nodes()] == preorder(tree)
    assert [str(tree.subtree(index)) for index in range(tree.size)] == preorder(tree)
    assert tree.size == len(preorder(tree))
    assert tree.height == height(tree)


@settings(deadline=None)
@given(expressions(), expressions(max_leaves=3), st.data())
def test_replacing_a_subtree_changes_that_one_alone(
    tree: Expression, new: Expression, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, tree.size - 1))
    replaced = tree.replace(index, new)
    assert replaced.subtree(index) == new
    old = tree.subtree(index)
    assert replaced.replace(index, old) == tree
    before, after = preorder(tree)[index + old.size :], preorder(replaced)[index + new.size :]
    assert before == after
    assert replaced.size == tree.size - old.size + new.size


@pytest.mark.parametrize("index", [-1, 4, 100])
def test_an_index_outside_the_tree_is_an_error(index: int) -> None:
    tree = parse("square(sub(y, f))")
    with pytest.raises(IndexError, match=rf"0\.\.3 but got {index}"):
        tree.subtree(index)
    with pytest.raises(IndexError, match=rf"0\.\.3 but got {index}"):
        tree.replace(index, tree)


def test_the_number_of_children_must_be_the_arity() -> None:
    add, tanh, y = standard_primitives("add", "tanh", "y")
    leaf = Expression(y)
    with pytest.raises(ExpressionError, match="add takes 2 arguments but got 1"):
        Expression(add, (leaf,))
    with pytest.raises(ExpressionError, match="tanh takes 1 argument but got 2"):
        Expression(tanh, (leaf, leaf))
    with pytest.raises(ExpressionError, match="y takes no arguments but got 1"):
        Expression(y, (leaf,))


@settings(deadline=None)
@given(expressions(), expressions())
def test_expressions_are_equal_exactly_when_written_alike(a: Expression, b: Expression) -> None:
    assert (a == b) == (str(a) == str(b))
    twin = pickle.loads(pickle.dumps(a))
    assert twin == a
    assert hash(twin) == hash(a)
    assert a != str(a)


def test_contains_looks_at_every_node() -> None:
    tree = parse("mul(y, log(f))")
    assert all(tree.contains(name) for name in ("mul", "y", "log", "f"))
    assert not tree.contains("sub")


def test_weights_multiply_the_output_of_their_node_in_preorder() -> None:
    y, f = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    weights = torch.tensor([2.0, 3.0, 5.0, 7.0, 11.0])
    tree = parse("sub(square(y), log(f))")
    expected = 2 * (3 * (5 * y) ** 2 - 7 * (abs(11 * f) + 1e-7).log())
    torch.testing.assert_close(tree.evaluate({"y": y, "f": f}, weights), expected)


@settings(deadline=None)
@given(expressions())
def test_values_have_the_inputs_shape_and_dtype(tree: Expression) -> None:
    inputs = {name: torch.full((3, 1, 2), 0.25, dtype=torch.float32) for name in "yf"}
    value = tree.evaluate(inputs)
    assert value.shape == (3, 1, 2)
    assert value.dtype == torch.float32


@pytest.mark.parametrize("text", ["1", "add(1, -1)", "tanh(2.5)"])
def test_constants_take_the_inputs_shape_with_weights_too(text: str) -> None:
    inputs = {name: torch.rand((4, 3), dtype=torch.float64) for name in "yf"}
    tree = parse(text)
    for weights in (None, torch.ones(tree.size, dtype=torch.float64)):
        value = tree.evaluate(inputs, weights)
        assert (value.shape, value.dtype) == ((4, 3), torch.float64)


@settings(deadline=None)
@given(expressions())
def test_weights_of_one_change_no_bit(tree: Expression) -> None:
    inputs = {name: tensor.contiguous() for name, tensor in points().items()}
    ones = torch.ones(tree.size, dtype=torch.float64)
    torch.testing.assert_close(
        tree.evaluate(inputs, ones), tree.evaluate(inputs), rtol=0, atol=0, equal_nan=True
    )


def test_terminals_of_a_plugin_are_inputs_too() -> None:
    prior = Expression(Primitive("prior", 0))
    assert torch.equal(prior.evaluate({"prior": torch.ones(3)}), torch.ones(3))


def test_a_tree_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        parse("f").size = 2  # type: ignore[misc]


def test_evaluation_says_what_it_misses() -> None:
    tree = parse("sub(y, f)")
    with pytest.raises(ExpressionError, match="no input for terminal 'y'; there are f"):
        tree.evaluate({"f": torch.ones(2)})
    with pytest.raises(ExpressionError, match=r"`weights` must be \(3,\), one a node, but is \(2,\)"):
        tree.evaluate({"y": torch.ones(2), "f": torch.ones(2)}, torch.ones(2))


def test_a_tree_far_higher_than_pythons_recursion_limit_is_no_burden() -> None:
    tree, twin = chain(1500), chain(1500)
    assert tree.height == 1500
    assert {tree: 1}[twin] == 1
    assert copy.deepcopy(tree) == tree
    assert tree.replace(tree.size - 1, parse("y")).contains("y")
    assert parse(str(tree)) == tree
    assert pickle.loads(pickle.dumps(tree)) == tree
    assert tree.subtree(tree.size - 1).size == 1
    assert tree.evaluate(points()).isfinite().all()


def test_a_word_of_a_primitive_set_may_take_three_arguments() -> None:
    pick = Primitive("pick", 3, torch.where)
    y, f = (Expression(word) for word in standard_primitives("y", "f"))
    assert str(Expression(pick, (y, f, y))) == "pick(y, f, y)"


def test_gradients_flow_into_inputs_and_weights() -> None:
    f = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    weights = torch.ones(2, dtype=torch.float64, requires_grad=True)
    parse("exp(f)").evaluate({"f": f}, weights).sum().backward()
    assert f.grad is not None
    assert weights.grad is not None
    torch.testing.assert_close(f.grad.item(), math.exp(0.3))
    torch.testing.assert_close(weights.grad.tolist(), [math.exp(0.3), 0.3 * math.exp(0.3)])
