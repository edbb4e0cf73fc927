"""Trees of great height and of many nodes: nothing recurses, and the work grows about as the number of nodes."""

from __future__ import annotations

import ast
import pickle
import sys
from collections.abc import Callable
from types import FrameType

import pytest
import torch

from automl_loss.errors import ExpressionError
from automl_loss.expression import Expression, canonical, canonical_key, compile_program, parse, to_source
from automl_loss.losses import Problem, SymbolicLoss, build_module, formula, loss_from_json, render_module

PROBLEM = Problem.classification((2,), 3)
LEVELS = 1_000
SHAPES = {
    "unary": ("tanh(", "f", ")", 1),
    "sum": ("add(y, ", "f", ")", 2),
    "sum to the left": ("add(", "f", ", y)", 2),
    "difference": ("sub(y, ", "f", ")", 2),
    "product": ("mul(y, ", "f", ")", 2),
    "quotient": ("div(", "f", ", y)", 2),
    "sign of quotients": ("sign(div(", "f", ", y))", 3),
    "minimum": ("min(y, ", "f", ")", 2),
    "minimum of maxima": ("min(y, max(1, ", "f", "))", 4),
    "square of products": ("square(mul(y, ", "f", "))", 3),
    "halves": ("add(mul(0.5, ", "f", "), mul(0.5, f))", 6),
    "powers": ("power(2, ", "f", ")", 2),
    "overflow": ("mul(1e+300, square(", "f", "))", 3),
}
each_shape = pytest.mark.parametrize("shape", SHAPES)


def text_of(shape: str, nodes: int) -> str:
    opening, leaf, closing, per_level = SHAPES[shape]
    levels = nodes // per_level
    return opening * levels + leaf + closing * levels


def calls_of(action: Callable[[], object]) -> int:
    called = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal called
        called += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
    return called


@each_shape
def test_five_thousand_nodes_go_through_everything(shape: str) -> None:
    text = text_of(shape, 5_000)
    tree = parse(text)
    assert str(tree) == text
    assert pickle.loads(pickle.dumps(tree)) == tree
    loss = SymbolicLoss(tree, tuple(0.9 + i / 1e5 for i in range(tree.size)), activation="softplus")
    assert loss_from_json(loss.to_json()) == loss
    assert formula(loss).endswith("nodes))")
    assert loss.latex is None
    assert compile_program(tree) is not None
    compile(render_module(loss, PROBLEM), "exported", "exec")
    raw, target = torch.tensor([[0.1, 0.2, 0.3]]), torch.tensor([1])
    assert build_module(loss, PROBLEM)(raw, target, "none").shape == (1,)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("shape", ["unary", "quotient", "sign of quotients", "minimum of maxima", "powers"])
def test_deep_trees_have_a_canonical_key(shape: str, weighted: bool) -> None:
    tree = parse(text_of(shape, 5_000))
    key = canonical_key(tree, weighted)
    assert canonical_key(parse(key), weighted) == key


@pytest.mark.parametrize("outer", ["sign", "abs", "square", "log"])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_function_of_a_thousand_quotients_has_a_canonical_key(outer: str, weighted: bool) -> None:
    tree = parse(f"{outer}({'div(' * LEVELS}f{', y)' * LEVELS})")
    assert canonical_key(tree, weighted)


@each_shape
def test_the_work_of_writing_grows_about_as_the_number_of_nodes(shape: str) -> None:
    def work(nodes: int) -> int:
        text = text_of(shape, nodes)

        def everything() -> None:
            tree = parse(text)
            compile_program(tree)
            to_source(tree)
            str(tree)

        return calls_of(everything)

    small, large = work(600), work(2_400)
    assert large < 5 * small


@pytest.mark.parametrize("shape", ["sum", "difference", "product", "minimum"])
def test_the_work_of_a_canonical_form_is_bounded(shape: str) -> None:
    tree = parse(text_of(shape, 3_000))
    assert calls_of(lambda: canonical(tree, weighted=True)) < 6_000_000
    # It takes too many steps, and is its own canonical form, as is each longer one.
    assert canonical(tree, weighted=True) is tree


def test_the_canonical_form_of_a_full_tree_of_the_default_height_is_not_given_up() -> None:
    def full(height: int, index: int) -> str:
        if height == 0:
            return ("y", "f", "1")[index % 3]
        word = ("sub", "max", "mul", "add", "min")[(height + index) % 5]
        return f"{word}({full(height - 1, 2 * index)}, {full(height - 1, 2 * index + 1)})"

    tree = parse(full(10, 1))
    assert tree.size == 2_047
    for weighted in (True, False):
        form = canonical(tree, weighted)
        assert form is not tree
        assert canonical(form, weighted) == form


def test_a_tree_holds_no_text_of_its_nodes_until_it_is_asked_for() -> None:
    tree = parse("tanh(" * LEVELS + "f" + ")" * LEVELS)
    assert str(tree).count("tanh") == LEVELS
    assert [node for node in tree.nodes()[1:-1] if node._text is not None] == []


def test_an_error_shows_the_place_in_a_long_text_and_not_all_of_it() -> None:
    text = "add(y, " * 50_000 + "g" + ")" * 50_000
    with pytest.raises(
        ExpressionError, match=r"^column 350001 of '\.\.\..*add\(y, g\).*no primitive 'g'"
    ) as caught:
        parse(text)
    assert len(str(caught.value)) < 500


def test_a_long_name_is_not_compared_in_full() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("l" * 1_000_000)
    assert len(str(caught.value)) < 800


def test_the_source_of_a_deep_tree_stays_shallow() -> None:
    for shape in SHAPES:
        source = to_source(parse(text_of(shape, 5_000)))
        assert max(map(len, source.splitlines())) < 400
        ast.parse("\n".join(line if "return" not in line else "0" for line in source.splitlines()))


def test_a_constant_beyond_the_range_of_a_dtype_is_infinite_in_it() -> None:
    inputs = {name: torch.zeros(2) for name in ("y", "f")}
    assert Expression.evaluate(parse("-1e300"), inputs).tolist() == [-torch.inf, -torch.inf]
    double = {name: tensor.double() for name, tensor in inputs.items()}
    assert parse("1e300").evaluate(double).tolist() == [1e300, 1e300]
