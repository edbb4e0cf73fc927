"""Formulas as pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from automl_loss import Problem, SymbolicLoss, catalogue, known_losses, parse
from automl_loss.report.typeset import break_sum, typeset

PROBLEMS = (
    Problem.classification((4,), 3),
    Problem.classification((4,), 2),
    Problem.regression((4,)),
)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_known_losses_can_be_set(problem: Problem) -> None:
    for text in known_losses(problem).values():
        picture = typeset(SymbolicLoss(parse(text)))
        assert picture is not None, text
        assert "glyph" in picture or "<path" in picture
        ElementTree.fromstring(picture)


def test_what_mathtext_cannot_set_gives_none() -> None:
    huber = next(loss for loss in catalogue(PROBLEMS[2]) if loss.name == "huber")
    assert r"\begin{cases}" in huber.latex
    assert typeset(huber) is None


@pytest.mark.parametrize("word", ["log", "sqrt", "exp", "tanh", "square", "abs", "sigmoid", "div"])
def test_a_loss_of_the_default_height_can_be_set(word: str) -> None:
    rest = ", y)" if word == "div" else ")"
    picture = typeset(SymbolicLoss(parse(f"{word}(" * 10 + "f" + rest * 10)))
    assert picture is not None
    ElementTree.fromstring(picture)


@pytest.mark.parametrize("count", [27, 100, 1000])
def test_what_is_too_deep_gives_none(count: int) -> None:
    assert typeset(SymbolicLoss(parse("log(" * count + "f" + ")" * count))) is None


def test_what_is_too_long_gives_none() -> None:
    loss = SymbolicLoss(parse("add(tanh(y), " * 400 + "f" + ")" * 400), tuple(0.5 + i for i in range(1201)))
    assert typeset(loss) is None


def test_a_broken_sum_is_the_sum() -> None:
    latex = r" + ".join(rf"a_{i} \left(b - {i} c\right) \sqrt{{d + e}}" for i in range(9))
    lines = break_sum(latex)
    assert len(lines) > 2
    assert "".join(lines).replace(" ", "") == latex.replace(" ", "")
    assert all(line.count("{") == line.count("}") for line in lines)
    assert all(line.count(r"\left") == line.count(r"\right") for line in lines)


def test_a_short_sum_is_one_line_and_a_leading_minus_stays() -> None:
    assert break_sum("- a + b") == ["- a + b"]
