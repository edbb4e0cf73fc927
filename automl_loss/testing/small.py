"""Small tasks and a small network that train in a moment, for laws that need an engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
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
    from automl_loss.plugins.training_engine import TrainingEngine


class _Made(Task):
    """A task whose rows are drawn from a seed."""

    def splits(self, seed: int) -> Splits:
        """120 and 60 rows."""
        return Splits(self._rows(seed, "train", 120), self._rows(seed, "validation", 60))

    def test(self, seed: int) -> Split:
        """60 rows."""
        return self._rows(seed, "test", 60)

    @abstractmethod
    def _rows(self, seed: int, part: str, count: int) -> Split:
        """Rows of a part of the data."""


class Clouds(_Made):
    """Three Gaussian clouds in the plane."""

    def problem(self) -> Problem:
        """Classification by error."""
        return Problem.classification((2,), 3)

    def _rows(self, seed: int, part: str, count: int) -> Split:
        rng = generator(seed, "clouds", part)
        y = np.arange(count) % 3
        centres = 2.0 * np.stack([np.cos(2 * np.pi * y / 3), np.sin(2 * np.pi * y / 3)], axis=1)
        return Split((centres + rng.normal(size=(count, 2))).astype(np.float32), y.astype(np.int64))


class Slope(_Made):
    """A noisy plane."""

    def problem(self) -> Problem:
        """Regression by squared error."""
        return Problem.regression((2,), 1)

    def _rows(self, seed: int, part: str, count: int) -> Split:
        rng = generator(seed, "slope", part)
        x = rng.normal(size=(count, 2)).astype(np.float32)
        y = x @ np.array([[1.0], [-0.5]]) + 0.3 * rng.standard_t(3, size=(count, 1))
        return Split(x, y.astype(np.float32))


class Line(ModelFactory):
    """A linear model."""

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make one linear layer."""
        from torch import nn

        return nn.Linear(input_shape[0], output_dim)


def small_engine(task: type[Task] = Clouds, seed: int = 0) -> Engine:
    """Make an engine on a small task."""
    from automl_loss.engine.engine import Engine
    from automl_loss.engine.engine_spec import EngineSpec
    from automl_loss.engine.settings import TrainingSettings, TuningSettings

    training = TrainingSettings(steps=30, lr=0.1, batch_size=32)
    tuning = TuningSettings(steps=5)
    return Engine(EngineSpec(partial(task, None), _model, training=training, tuning=tuning, seed=seed))


def small_engines() -> dict[str, TrainingEngine]:
    """Make an engine of each kind that an evaluator may be given, by name of the kind."""
    from automl_loss.engine.several_tasks import SeveralTasks

    several = SeveralTasks([small_engine(), small_engine(seed=1)], ["one", "other"], [0.1, 0.1])
    return {"classification": small_engine(), "regression": small_engine(Slope), "several tasks": several}


def _model() -> ModelFactory:
    return Line(None)


def context_of(engine: TrainingEngine, stages: list[Any]) -> Context:
    """Make a context that runs stages in this process, and appends them to `stages`."""

    def inline(stage: Any, candidates: Sequence[Any]) -> Iterator[Outcome]:
        stages.append(stage)
        chunks = [tuple(candidates[start : start + 3]) for start in range(0, len(candidates), 3)]
        return (outcome for chunk in chunks for outcome in stage(chunk))

    return Context(engine.problem, engine, {}, np.random.default_rng(0), inline, lambda outcomes: None)
