"""Random expression texts: each is refused with an `ExpressionError`, or goes through all that is done with a loss.

`AUTOLOSS_FUZZ` sets how many texts the slow test tries, `AUTOLOSS_FUZZ_SEED` which.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
import torch
from support.hostile import count, expression_text, garbage, mutated_text, seed

from automl_loss.errors import ExpressionError
from automl_loss.expression import parse
from automl_loss.expression.sympy_form import sympy_text
from automl_loss.losses import Problem, SymbolicLoss, formula, render_module

PROBLEMS = (Problem.classification((2,), 3), Problem.classification((2,), 2), Problem.regression((2,)))
F, Y = torch.tensor([[0.2, 0.8, 1e-9]]), torch.tensor([[0.0, 1.0, 0.0]])

FEW, MANY = 600, 20_000
CALLS, CALLS_PER_NODE = 4_000, 1_500
"""Bounds of the Python calls that one text may take; the canonical form of a chain takes most of them."""
COUNTED = 50
"""One text in so many is counted, which takes several times as long."""


def draw(rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.5:
        return expression_text(rng)
    return mutated_text(rng, expression_text(rng)) if chance < 0.85 else garbage(rng)


def through_everything(text: str, rng: random.Random) -> str:
    """Read a text and do with the loss what a run and the exports do; return what came of it."""
    refusal = ""
    try:
        tree = parse(text)
    except ExpressionError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("column ")
        assert len(refusal) < 600
        return "refused"
    assert parse(str(tree)) == tree
    weights = () if rng.random() < 0.3 else tuple(rng.gauss(1.0, 1.0) for _ in range(tree.size))
    activation: Any = rng.choice(("identity", "softplus"))
    loss = SymbolicLoss(tree, weights, 0.5, activation, weighted=rng.random() < 0.5)
    assert loss.key
    assert loss.value(F, Y).shape == F.shape
    program = loss.program
    assert program is None or len(program) == tree.size
    assert 0 < len(formula(loss)) < 2_000 + 300 * tree.size
    latex = loss.latex
    assert latex is None or latex.count("{") == latex.count("}")
    source = render_module(loss, rng.choice(PROBLEMS))
    compile(source, "exported", "exec")
    assert len(source) < 6_000 + 300 * tree.size
    try:
        compile(sympy_text(tree, loss.weights, scale=loss.scale), "sympy", "eval")
    except ExpressionError:
        return "too large for sympy"
    return "valid"


def calls_of(action: Callable[[], object]) -> int:
    """How many Python functions an action calls."""
    called = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal called
        called += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
    return called


def fuzz(number: int, first: int) -> Counter[str]:
    seen: Counter[str] = Counter()
    for item in range(number):
        rng = random.Random(f"{first}/{item}")
        text = draw(rng)
        try:
            if item % COUNTED:
                seen[through_everything(text, rng)] += 1
            else:
                used = calls_of(lambda text=text, rng=rng: through_everything(text, rng))  # type: ignore[misc]
                assert used < CALLS + CALLS_PER_NODE * (1 + text.count("(") + text.count(","))
                seen["counted"] += 1
        except Exception as error:
            raise AssertionError(f"text {item} of seed {first}: {text!r}") from error
    return seen


def test_a_sample_of_texts_is_refused_or_goes_through_everything() -> None:
    seen = fuzz(FEW, seed())
    assert seen["refused"] > FEW // 10
    assert seen["valid"] > FEW // 4


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_texts_are_refused_or_go_through_everything(capsys: pytest.CaptureFixture[str]) -> None:
    number = count(MANY)
    seen = fuzz(number, seed() + 1)
    with capsys.disabled():
        print(f"\nexpressions: {number:,}: {dict(seen)}")
    assert sum(seen.values()) == number
