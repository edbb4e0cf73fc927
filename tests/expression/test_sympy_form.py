from __future__ import annotations

import math

import pytest
import sympy
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.expressions import expressions, weights_of

from automl_loss.errors import ExpressionError
from automl_loss.expression import Expression, Primitive, parse, to_sympy
from automl_loss.expression.sympy_form import sympy_text
from automl_loss.expression.vocabulary import STANDARD_FUNCTIONS

EVOMAL = STANDARD_FUNCTIONS[:12]
Y, F = sympy.symbols("y f", real=True)


@settings(deadline=None, max_examples=50)
@given(
    expressions(functions=EVOMAL, max_leaves=6).flatmap(
        lambda tree: st.tuples(st.just(tree), weights_of(tree))
    )
)
def test_the_form_has_the_value_of_the_expression(case: tuple[Expression, tuple[float, ...]]) -> None:
    expression, weights = case
    point = {"y": 0.625, "f": -1.3125}
    inputs = {name: torch.tensor([x], dtype=torch.float64) for name, x in point.items()}
    expected = expression.evaluate(inputs, torch.tensor(weights, dtype=torch.float64)).item()
    value = float(to_sympy(expression, weights).subs({Y: point["y"], F: point["f"]}).evalf())
    assert value == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_without_weights_constants_stay_exact() -> None:
    form = to_sympy(parse("mul(-1, mul(y, square(sub(1, f))))"))
    assert sympy.expand(form + Y * (1 - F) ** 2) == 0
    assert not form.atoms(sympy.Float)


@settings(deadline=None, max_examples=50)
@given(expressions(max_leaves=6).flatmap(lambda tree: st.tuples(st.just(tree), weights_of(tree))))
def test_the_text_is_read_by_sympy_and_has_the_value_of_the_expression(
    case: tuple[Expression, tuple[float, ...]],
) -> None:
    expression, weights = case
    point = {"y": 0.625, "f": -1.3125}
    inputs = {name: torch.tensor([x], dtype=torch.float64) for name, x in point.items()}
    value = expression.evaluate(inputs, torch.tensor(weights, dtype=torch.float64))
    assume(abs(value.item()) < 700)  # exp of more is no Python float
    expected = 3.0 * torch.nn.functional.softplus(value).item()
    text = sympy_text(expression, weights, scale=3.0, softplus=True)
    numbers = {**NUMBERS, **point}
    assert eval(text, {"__builtins__": {}}, numbers) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    if expression.size < 6:
        assert float(sympy.sympify(text).subs(point).evalf()) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_text_uses_a_words_own_form_or_its_name() -> None:
    cube = Primitive("cube", 1, lambda x: x**3, sympy=lambda x: x**3)
    assert sympy_text(Expression(cube, (parse("sub(y, f)"),))) == "((y - f))**3"
    erf = Primitive("mystery", 1, torch.erf)
    assert sympy_text(Expression(erf, (parse("f"),)), [0.5, 1.0]) == "0.5*mystery(f)"
    broken = Primitive("broken", 1, torch.erf, sympy=lambda x: x.nothing)
    with pytest.raises(ExpressionError, match=r"'broken' cannot be written for SymPy: .* AttributeError"):
        sympy_text(Expression(broken, (parse("f"),)))


@pytest.mark.parametrize("word", ["log", "square", "sigmoid", "tanh", "sqrt"])
def test_what_is_too_deep_for_sympy_is_refused_with_its_size(word: str) -> None:
    for count in (33, 1000):
        tree = parse(f"{word}(" * count + "f" + ")" * count)
        for convert in (to_sympy, sympy_text):
            with pytest.raises(
                ExpressionError, match=rf"{count + 1:,} nodes and height {count:,}.*as Python"
            ):
                convert(tree)


def test_a_word_without_a_form_is_an_undefined_function() -> None:
    erf = Expression(Primitive("mystery", 1, torch.erf), (parse("f"),))
    assert to_sympy(erf) == sympy.Function("mystery")(F)


NUMBERS = {
    "Abs": abs,
    "Min": min,
    "Max": max,
    "sign": lambda x: (x > 0) - (x < 0),
    "log": math.log,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
}
