"""LaTeX, read back as mathematics."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.expressions import chain, expressions, points
from torch import Tensor

from automl_loss.errors import ExpressionError
from automl_loss.expression import Expression, Primitive, parse, to_latex
from automl_loss.losses import SymbolicLoss

POINTS = points()
COARSE = st.sampled_from((1.0, 0.25, -0.5, 1.5, -1.0))
WORDS: dict[str, Any] = {
    "log": torch.log,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "sign": torch.sign,
    "magnitude": torch.abs,
    "sigmoid": torch.sigmoid,
    "min": torch.minimum,
    "max": torch.maximum,
    "number": lambda x: torch.full_like(POINTS["f"], x),
}


def read(latex: str) -> Tensor:
    """The value of the LaTeX, turned into Python token by token."""
    text = latex.replace(r"\left|", " magnitude(").replace(r"\right|", ")")
    text = text.replace(r"\left(", "(").replace(r"\right)", ")")
    text = re.sub(r"\\operatorname\{(\w+)\}", r"\1", text)
    text = re.sub(r"\\varepsilon", "0.0000001", text)
    text = text.replace("e^{", "exp({").replace(r"\frac{", "({")
    # What `e^` and `\frac` opened is closed after their last group.
    text = _close(text)
    text = text.replace("^", "**").replace(r"\cdot", " ").replace("\\", "")
    text = re.sub(r"(?<![\w.])(\d+\.?\d*)", r"number(\1)", text)
    text = re.sub(r"([\w)]) +(?=[\w(])", r"\1*", text)
    value: Tensor = eval(text, {"__builtins__": {}, **WORDS, **POINTS})
    return value


def _close(text: str) -> str:
    """Replace braces by parentheses, `exp({..}` by `exp(..)`, and `({..}{..}` by `((..)/(..))`."""
    found, kinds, place = [], [], 0
    while place < len(text):
        if text.startswith("exp({", place):
            kinds.append("exp")
            found.append("exp(")
            place += 5
        elif text.startswith("({", place):
            kinds.append("top")
            found.append("((")
            place += 2
        elif text[place] == "{":
            kinds.append("plain")
            found.append("(")
            place += 1
        elif text[place] == "}":
            kind = kinds.pop()
            if kind == "top":
                assert text[place + 1] == "{"
                kinds.append("below")
                found.append(")/(")
                place += 2
            else:
                found.append("))" if kind == "below" else ")")
                place += 1
        else:
            found.append(text[place])
            place += 1
    return "".join(found)


@settings(max_examples=200, deadline=None)
@given(
    expressions().flatmap(
        lambda tree: st.tuples(
            st.just(tree), st.lists(COARSE, min_size=tree.size, max_size=tree.size).map(tuple)
        )
    )
)
def test_the_latex_read_back_has_the_expressions_value(case: tuple[Expression, tuple[float, ...]]) -> None:
    tree, weights = case
    want = tree.evaluate(POINTS, torch.tensor(weights, dtype=torch.float64))
    got = read(to_latex(tree, weights, digits=17))
    torch.testing.assert_close(got, want, equal_nan=True, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("square(sub(y, f))", r"\left(y - f\right)^{2}"),
        ("log(f)", r"\log\left(\left|f\right| + \varepsilon\right)"),
        ("sqrt(f)", r"\sqrt{\left|f\right| + \varepsilon}"),
        ("div(y, f)", r"\frac{y}{\sqrt{1 + f^{2}}}"),
        ("exp(f)", r"e^{\min\left(f, 50\right)}"),
        ("mul(0.00000001, f)", r"1 \cdot 10^{-8} f"),
        ("mul(y, prior)", r"y \mathrm{prior}"),
    ],
)
def test_examples(text: str, latex: str) -> None:
    assert to_latex(parse(text)) == latex


def test_weights_are_rounded_and_ones_left_out() -> None:
    text = to_latex(parse("mul(y, tanh(f))"), [1.0, 1.0, 1.0, 0.123456])
    assert text == r"y \tanh\left(0.1235 f\right)"


def test_a_hostile_name_is_an_upright_word() -> None:
    word = Expression(Primitive("$\\input{x}$", 1, torch.erf), (parse("f"),))
    assert to_latex(word) == r"\operatorname{--input-x--}\left(f\right)"


def test_a_words_own_form_is_written_once_for_all_arguments() -> None:
    cube = Primitive("cube", 1, lambda x: x**3, sympy=lambda x: x**3)
    shifted = Primitive("shifted", 2, lambda a, b: a + b, sympy=lambda a, b: a + b)
    inner = Expression(cube, (parse("sub(y, f)"),))
    assert to_latex(inner) == r"\left(y - f\right)^{3}"
    total = parse("mul(y, f)").replace(2, Expression(shifted, (inner, parse("f"))))
    assert to_latex(total) == r"y \left(\left(\left(y - f\right)^{3}\right) + \left(f\right)\right)"


def test_a_word_whose_form_fails_is_shown_by_its_name() -> None:
    broken = Primitive("broken", 1, torch.erf, sympy=lambda x: x.nothing)
    assert to_latex(Expression(broken, (parse("f"),))) == r"\operatorname{broken}\left(f\right)"


@pytest.mark.parametrize("tree", [chain(101), chain(3000), parse("square(" * 200 + "f" + ")" * 200)])
def test_what_is_too_large_has_no_latex_and_says_so(tree: Expression) -> None:
    assert SymbolicLoss(tree).latex is None
    with pytest.raises(ExpressionError, match=rf"{tree.size:,} nodes and height {tree.height:,}, and LaTeX"):
        to_latex(tree)


@pytest.mark.parametrize("word", ["square", "log", "exp", "sqrt", "abs", "power"])
def test_deep_functions_of_huge_numbers_have_latex(word: str) -> None:
    argument = "1e300, " if word == "power" else ""
    for count in (20, 50):
        tree = parse(f"{word}({argument}" * count + "1e300" + ")" * count)
        latex = SymbolicLoss(tree, (1e200,) * tree.size).latex
        assert latex is not None
        assert "inf" not in latex
        assert "nan" not in latex
