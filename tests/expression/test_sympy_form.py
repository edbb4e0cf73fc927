from __future__ import annotations

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.expressions import expressions, weights_of

from automl_loss.expression import Expression, Primitive, parse, to_latex, to_sympy
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
    assert to_sympy(parse("mul(-1, mul(y, square(sub(1, f))))")) == -Y * (1 - F) ** 2


def test_a_word_without_a_form_is_an_undefined_function() -> None:
    erf = Expression(Primitive("mystery", 1, torch.erf), (parse("f"),))
    assert to_sympy(erf) == sympy.Function("mystery")(F)
    assert "mystery" in to_latex(erf)


def test_latex_rounds_weights_and_drops_ones() -> None:
    text = to_latex(parse("mul(y, tanh(f))"), [1.0, 1.0, 1.0, 0.123456])
    assert text == r"y \tanh{\left(0.1235 f \right)}"


def test_latex_writes_the_protection_as_epsilon() -> None:
    assert to_latex(parse("log(f)")) == r"\log{\left(\varepsilon + \left|{f}\right| \right)}"
