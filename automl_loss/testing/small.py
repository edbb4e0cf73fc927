"""A task and a network that train in a moment, for laws that need an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from automl_loss.losses.problem import Problem
from automl_loss.plugins.evaluator import Context
from automl_loss.plugins.model import ModelFactory
from automl_loss.plugins.outcome import Outcome
from automl_loss.plugins.task import Split, Splits, Task
from automl_loss.seeds import generator

if TYPE_CHECKING:
    from torch import nn

    from automl_loss.engine.engine import Engine


class Clouds(Task):
    """Three Gaussian clouds in the plane."""

    def problem(self) -> Problem:
        """Classification by error."""
        return Problem.classification((2,), 3)

    def splits(self, seed: int) -> Splits:
        """120 and 60 rows."""
        return Splits(self._rows(seed, "train", 120), self._rows(seed, "validation", 60))

    def test(self, seed: int) -> Split:
        """60 rows."""
        return self._rows(seed, "test", 60)

    def _rows(self, seed: int, part: str, count: int) -> Split:
        rng = generator(seed, "clouds", part)
        y = np.arange(count) % 3
        centres = 2.0 * np.stack([np.cos(2 * np.pi * y / 3), np.sin(2 * np.pi * y / 3)], axis=1)
        return Split((centres + rng.normal(size=(count, 2))).astype(np.float32), y.astype(np.int64))


class Line(ModelFactory):
    """A linear model."""

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """One layer."""
        from torch import nn

        return nn.Linear(input_shape[0], output_dim)


def small_engine() -> Engine:
    """An engine on them."""
    from automl_loss.engine.engine import Engine
    from automl_loss.engine.settings import TrainingSettings, TuningSettings
    from automl_loss.engine.source import EngineSource

    training = TrainingSettings(steps=30, lr=0.1, batch_size=32)
    return Engine(EngineSource(_task, _model, training=training, tuning=TuningSettings(steps=5)))


def _task() -> Task:
    return Clouds(None)


def _model() -> ModelFactory:
    return Line(None)


def context_of(engine: Engine, stages: list[Any]) -> Context:
    """A context that runs stages in this process, and keeps them."""

    def inline(stage: Any, candidates: Sequence[Any]) -> Iterator[Outcome]:
        stages.append(stage)
        chunks = [tuple(candidates[start : start + 3]) for start in range(0, len(candidates), 3)]
        return (outcome for chunk in chunks for outcome in stage(chunk))

    return Context(engine.problem, engine, {}, np.random.default_rng(0), inline, lambda outcomes: None)
