"""A search without training: outcomes made up from the expression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from autoloss_gp.evomal import EvoMAL
from autoloss_gp.expression_strategy import ExpressionStrategy
from autoloss_gp.primitives import EvoMALPrimitives
from automl_loss import Candidate, Expression, Outcome, Problem, Status

Judge = Callable[[Candidate], Outcome]
Play = Callable[..., list[list[Candidate]]]
Make = Callable[..., ExpressionStrategy]


@pytest.fixture
def problem() -> Problem:
    return Problem.classification(input_shape=(8,), classes=3)


@pytest.fixture
def primitives() -> EvoMALPrimitives:
    return EvoMALPrimitives()


@pytest.fixture
def make(problem: Problem, primitives: EvoMALPrimitives) -> Make:
    """A strategy from its options."""

    def build(
        kind: type[ExpressionStrategy] = EvoMAL, seed: int = 0, **options: object
    ) -> ExpressionStrategy:
        return kind(kind.Config(**options), problem, primitives, np.random.default_rng(seed))

    return build


def by_hash(candidate: Candidate) -> Outcome:
    """A fitness without any structure, and every status in turn."""
    statuses = [Status.EVALUATED, Status.EVALUATED, *Status]
    status = statuses[candidate.id % len(statuses)]
    fitness = sum(map(ord, str(candidate.loss.expression))) % 97 / 97
    return Outcome(
        candidate.id,
        status,
        fitness if status.completed else None,
        candidate.loss,
        rungs=(fitness,) if status is Status.PRUNED else (),
    )


@pytest.fixture
def play() -> Play:
    """Asks and tells until the strategy is done; returns every generation asked."""

    def run(strategy: ExpressionStrategy, judge: Judge = by_hash) -> list[list[Candidate]]:
        generations = []
        while candidates := strategy.ask():
            generations.append(candidates)
            strategy.tell([judge(candidate) for candidate in candidates])
        return generations

    return run


@pytest.fixture
def value() -> Callable[[Expression, np.ndarray, np.ndarray], np.ndarray]:
    """An interpreter of its own, in numpy."""
    functions: dict[str, Callable[..., np.ndarray]] = {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "div": lambda a, b: a / np.sqrt(1 + b**2),
        "min": np.minimum,
        "max": np.maximum,
        "sign": np.sign,
        "square": np.square,
        "abs": np.abs,
        "log": lambda a: np.log(np.abs(a) + 1e-7),
        "sqrt": lambda a: np.sqrt(np.abs(a) + 1e-7),
        "tanh": np.tanh,
    }

    def evaluate(expression: Expression, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        name = expression.primitive.name
        if name in functions:
            return functions[name](*(evaluate(child, y, f) for child in expression.children))
        terminals = {"y": y, "f": f, "1": np.ones_like(f), "-1": -np.ones_like(f)}
        return terminals[name]

    return evaluate
