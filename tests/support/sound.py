"""One sound plugin of each kind, tiny; faulty ones derive from them and change one thing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from automl_loss import (
    Candidate,
    Context,
    Evaluator,
    Executor,
    Failure,
    HandcraftedLoss,
    Lane,
    Loss,
    ModelFactory,
    Outcome,
    PluginConfig,
    Primitive,
    PrimitiveSet,
    Problem,
    SearchStrategy,
    Split,
    Splits,
    Status,
    SymbolicLoss,
    Task,
    parse,
    standard_primitives,
)

__all__ = [
    "Any", "Candidate", "Executor", "Failure", "HandcraftedLoss", "Lane", "Loss", "Outcome", "PluginConfig",
    "Primitive", "Problem", "Rows", "Search", "Split", "Splits", "Status", "SymbolicLoss", "Train", "Words", "Net",
    "Here", "nn", "np", "parse", "partial", "random", "square", "standard_primitives", "torch",
]  # fmt: skip


def square(power: float = 1.0) -> SymbolicLoss:
    """The squared residual."""
    return SymbolicLoss(parse("square(sub(y, f))"), (1.0, 1.0, 1.0, power), weighted=False)


class Search(SearchStrategy):
    """Two losses in one generation."""

    plugin_api = 1
    default_evaluator = "partial-training"
    done = False

    def ask(self) -> list[Candidate]:
        if self.done:
            return []
        self.done = True
        return self.candidates()

    def candidates(self) -> Any:
        return [self.candidate(1), self.candidate(2)]

    def candidate(self, number: int, **changes: Any) -> Candidate:
        return Candidate(**{"id": number, "loss": square(1.5), "generation": 0, **changes})

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        return


def train(engine: Any, chunk: Any) -> list[Outcome]:
    """Stage: train a chunk."""
    runs = engine.train([Lane(c.loss, engine.lr, engine.search_seed(0)) for c in chunk])
    return [Outcome(c.id, Status.EVALUATED, r.fitness, c.loss) for c, r in zip(chunk, runs, strict=True)]


class Train(Evaluator):
    """Trains, and changes nothing."""

    plugin_api = 1

    def evaluate(self, candidates: Sequence[Candidate], context: Context) -> Any:
        outcomes = list(context.map(partial(train, context.engine), candidates))
        return outcomes if candidates[0].id == 0 else self.changed(outcomes)

    def changed(self, outcomes: list[Outcome]) -> Any:
        return outcomes


class Rows(Task):
    """Two noisy classes in four dimensions."""

    plugin_api = 1

    def problem(self) -> Problem:
        return Problem.classification((4,), 2)

    def rows(self, part: int, count: int = 40) -> Split:
        rng = np.random.default_rng(part)
        y = rng.integers(0, 2, count)
        return Split((rng.normal(size=(count, 4)) + y[:, None]).astype(np.float32), y)

    def training(self) -> Any:
        return self.rows(1)

    def splits(self, seed: int) -> Splits:
        return Splits(self.training(), self.rows(2))

    def test(self, seed: int) -> Split:
        return self.rows(3)


class Net(ModelFactory):
    """One layer."""

    plugin_api = 1

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> Any:
        return self.net(input_shape[0], output_dim)

    def net(self, inputs: int, outputs: int) -> Any:
        return nn.Linear(inputs, outputs)


class Words(PrimitiveSet):
    """A few standard primitives."""

    plugin_api = 1

    @property
    def functions(self) -> Any:
        return standard_primitives("add", "sub", "mul", "square", "abs")

    @property
    def terminals(self) -> Any:
        return standard_primitives("y", "f", "1")


class Here(Executor):
    """Runs chunks one after the other."""

    plugin_api = 2

    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        for index, chunk in enumerate(chunks):
            try:
                yield index, function(chunk)
            except Exception as error:
                yield index, Failure.of(error)
