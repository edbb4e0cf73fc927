"""The line a person reads, read back as mathematics."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.expressions import expressions, points
from torch import Tensor
from torch.nn import functional

from automl_loss.expression import parse
from automl_loss.losses import HandcraftedLoss, SymbolicLoss, formula

POINTS = points()
COARSE = st.sampled_from((1.0, 0.25, -0.5, 1.5, -1.0))


WORDS: dict[str, Any] = {
    "sign": torch.sign,
    "log": lambda x: (x.abs() + 1e-7).log(),
    "sqrt": lambda x: (x.abs() + 1e-7).sqrt(),
    "root": torch.sqrt,
    "tanh": torch.tanh,
    "exp": lambda x: x.clamp(max=50.0).exp(),
    "sigmoid": torch.sigmoid,
    "power": lambda a, b: (b * (a.abs() + 1e-7).log()).clamp(max=50.0).exp(),
    "min": torch.minimum,
    "max": torch.maximum,
    "magnitude": torch.abs,
    "softplus": functional.softplus,
    "number": lambda x: torch.full_like(POINTS["f"], x),
}


def read(text: str) -> Tensor:
    """The value that the conventions of written mathematics give the formula, by Python's precedence."""
    text = text.removeprefix("L(y, f) = ")
    text = re.sub(r"(?<![\w.])(\d+\.?\d*(?:e[-+]?\d+)?)", r"number(\1)", text)
    text = text.replace("·", "*").replace("²", "**2").replace("√", "root")
    # Bars of absolute values: one opens where an operand must stand.
    parts, previous = [], ""
    for character in text:
        if character == "|":
            character = "magnitude(" if previous in "(+-*/,|" else ")"
            previous = "(" if character != ")" else ")"
        elif character != " ":
            previous = character
        parts.append(character)
    value: Tensor = eval("".join(parts), {"__builtins__": {}, **WORDS, **POINTS})
    return value


@settings(max_examples=300, deadline=None)
@given(
    expressions().flatmap(
        lambda tree: st.builds(
            SymbolicLoss,
            st.just(tree),
            weights=st.lists(COARSE, min_size=tree.size, max_size=tree.size).map(tuple),
            activation=st.sampled_from(("identity", "softplus")),
        )
    )
)
def test_the_formula_read_back_has_the_losss_value(loss: SymbolicLoss) -> None:
    want = loss.value(POINTS["f"], POINTS["y"])
    torch.testing.assert_close(read(formula(loss, digits=17)), want, equal_nan=True, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mul(mul(-1, y), log(f))", "-y·log(f)"),
        ("sub(y, sub(f, 1))", "y - f + 1"),
        ("sub(sub(y, f), 1)", "y - f - 1"),
        ("add(y, add(f, y))", "2·y + f"),
        ("square(sub(y, f))", "(y - f)²"),
        ("square(-1)", "1"),
        ("square(square(f))", "(f²)²"),
        ("mul(add(y, 1), f)", "(y + 1)·f"),
        ("mul(-1, sub(y, f))", "-y + f"),
        ("sub(y, -1)", "y + 1"),
        ("sub(y, y)", "0"),
        ("div(square(y), -1)", "y²/√(1 + (-1)²)"),
        ("mul(2, square(f))", "2·f²"),
        ("abs(mul(y, f))", "|y·f|"),
        ("abs(mul(-2, f))", "2·|f|"),
        ("div(1, add(f, 1))", "1/√(1 + (f + 1)²)"),
        ("mul(f, div(y, f))", "f·y/√(1 + f²)"),
        ("power(f, min(y, 0.5))", "power(f, min(y, 0.5))"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert formula(SymbolicLoss(parse(text))) == f"L(y, f) = {shown}"


def test_weights_show_where_they_differ_from_one() -> None:
    loss = SymbolicLoss(parse("square(sub(y, f))"), (0.51234, 1.004, 1.0, -2.0), scale=3.0)
    assert formula(loss) == "L(y, f) = 0.512·(y + 2.01·f)²"


def test_the_activation_is_shown() -> None:
    loss = SymbolicLoss(parse("sub(y, f)"), activation="softplus")
    assert formula(loss) == "L(y, f) = softplus(y - f)"


def test_a_handcrafted_loss_is_shown_by_its_key() -> None:
    assert formula(HandcraftedLoss("gce", "binary")) == "L = gce(q=0.7)"
