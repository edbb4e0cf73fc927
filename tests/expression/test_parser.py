"""Reading expressions."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from support.expressions import FLOATS, expressions

from automl_loss.errors import ExpressionError
from automl_loss.expression import Expression, Primitive, parse, standard_primitives
from automl_loss.expression.primitive import PrimitiveSet


@settings(deadline=None)
@given(expressions(numbers=FLOATS))
@example(parse("mul(1e-07, -1.5e+300)"))
@example(parse("-0.0"))
def test_parsing_inverts_writing(tree: Expression) -> None:
    read = parse(str(tree))
    assert read == tree
    values = [[node.primitive.value for node in side.nodes()] for side in (read, tree)]
    assert values[0] == values[1]


def test_space_is_free_and_numbers_may_be_written_in_any_way() -> None:
    assert str(parse("  mul( -1 ,\n mul(y,log( f )) ) ")) == "mul(-1, mul(y, log(f)))"
    assert str(parse("add(1.0, +.5)")) == "add(1, 0.5)"
    assert str(parse("mul(1e3, -2.50)")) == "mul(1000, -2.5)"


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected a primitive but the text ends"),
        ("mul(y, lgo(f))", 8, "no primitive 'lgo'. Did you mean 'log'?"),
        ("squared(f)", 1, "Did you mean 'square'?"),
        ("mul(y, qqqq)", 8, "no primitive 'qqqq'. There are add, sub,"),
        ("mul(y)", 1, "mul takes 2 arguments but got 1"),
        ("add(f, mul(y))", 8, "mul takes 2 arguments but got 1"),
        ("log(y, f)", 6, "log takes 1 argument but got more"),
        ("mul(y, f", 9, "expected ',' or ')' after argument 2 of mul but the text ends"),
        ("log", 4, "expected '(' after log but the text ends"),
        ("mul(y f)", 7, "expected ',' or ')' after argument 1 of mul but got 'f'"),
        ("__import__(f)", 1, "no primitive '__import__'"),
        ("mul y", 5, "expected '(' after mul but got 'y'"),
        ("log()", 5, "expected a primitive but got ')'"),
        ("log(f))", 7, "the expression ends here, but more text follows"),
        ("f(y)", 2, "the expression ends here, but more text follows"),
        ("add(f, 1 y)", 10, "expected ',' or ')' after argument 2 of add but got 'y'"),
        ("add(f, §)", 8, "expected a primitive but got '§'"),
        ("add(f, 1e999)", 8, "a constant must be a finite number but got inf"),
        ("add(f, 2y)", 9, "expected ',' or ')'"),
    ],
)
def test_errors_give_the_column_and_what_was_expected(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"column {column} of {text!r}: ")
    assert message in str(caught.value)


def test_only_the_given_words_may_occur() -> None:
    words = standard_primitives("add", "y", "f")
    assert str(parse("add(y, f)", words)) == "add(y, f)"
    with pytest.raises(ExpressionError, match=r"no primitive 'log'\. There are add, y, f"):
        parse("log(f)", words)


def test_a_primitive_set_brings_its_own_words() -> None:
    class Own(PrimitiveSet):
        @property
        def functions(self) -> tuple[Primitive, ...]:
            return (Primitive("cube", 1, lambda x: x**3),)

        @property
        def terminals(self) -> tuple[Primitive, ...]:
            return standard_primitives("y", "f")

    tree = parse("cube(f)", Own())
    assert tree.primitive == Own()["cube"]
    with pytest.raises(ExpressionError, match=r"no primitive 'cub'\. Did you mean 'cube'"):
        parse("cub(f)", Own())


def test_deep_nesting_does_not_recurse() -> None:
    text = "tanh(" * 3000 + "f" + ")" * 3000
    assert parse(text).height == 3000
    with pytest.raises(ExpressionError, match="column 18002 "):
        parse(text + "x")
