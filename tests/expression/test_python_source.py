from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.expressions import chain, expressions, weights_of

from automl_loss import ExpressionError
from automl_loss.expression import Expression, Primitive, parse, to_source

Y, F = torch.tensor([0.0, 1.0, 0.25]), torch.tensor([0.75, 0.2, -1.5])


def run(source: str, **names: object) -> torch.Tensor:
    lines = "\n".join(f"    {line}" for line in source.splitlines())
    scope: dict[str, object] = {"torch": torch}
    exec(f"def loss(y, f):\n{lines}", scope)
    return scope["loss"](Y, F)  # type: ignore[operator, no-any-return]


@settings(deadline=None)
@given(expressions(max_leaves=20).flatmap(lambda tree: st.tuples(st.just(tree), weights_of(tree))))
def test_the_text_computes_what_the_expression_does(case: tuple[Expression, tuple[float, ...]]) -> None:
    expression, weights = case
    expected = expression.evaluate({"y": Y, "f": F}, torch.tensor(weights))
    torch.testing.assert_close(run(to_source(expression, weights)), expected, equal_nan=True)
    torch.testing.assert_close(
        run(to_source(expression)), expression.evaluate({"y": Y, "f": F}), equal_nan=True
    )


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("f", "return f"),
        ("-1", "return torch.full_like(f, -1.0)"),
        ("add(y, f)", "return y + f"),
        ("mul(sub(y, f), -1)", "return (y - f) * -1.0"),
        ("square(sub(1, f))", "return torch.square(1.0 - f)"),
        ("div(y, sub(f, 1))", "return y / torch.sqrt(1 + torch.square(f - 1.0))"),
        ("max(add(y, f), 1)", "return torch.maximum(y + f, torch.full_like(f, 1.0))"),
    ],
)
def test_the_text_is_what_a_person_would_write(text: str, source: str) -> None:
    assert to_source(parse(text)) == source


def test_weights_are_folded_in_exactly_and_ones_left_out() -> None:
    assert to_source(parse("mul(y, log(f))"), [0.1, 1.0, 1 / 3, 2.0]) == (
        "return 0.1 * (y * (0.3333333333333333 * torch.log(torch.abs(2.0 * f) + 1e-7)))"
    )


@pytest.mark.parametrize("weight", [math.inf, math.nan])
def test_a_diverged_loss_cannot_be_written(weight: float) -> None:
    with pytest.raises(ExpressionError, match="only finite weights"):
        to_source(parse("log(f)"), [1.0, weight])


def test_big_trees_are_split_into_statements_that_python_can_read() -> None:
    source = to_source(chain(3000))
    assert max(map(len, source.splitlines())) < 200
    assert run(source).isfinite().all()


def test_a_words_own_template_is_used() -> None:
    erf = Expression(Primitive("erf", 1, torch.erf, "torch.erf({0})"), (parse("add(f, 1)"),))
    assert to_source(erf) == "return torch.erf(f + 1.0)"
    assert run(to_source(erf))[0] == pytest.approx(math.erf(1.75))
