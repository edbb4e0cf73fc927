"""Small networks and problems for the engine's tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from automl_loss import (
    Lane,
    Loss,
    ModelFactory,
    PluginConfig,
    Problem,
    Split,
    Splits,
    SymbolicLoss,
    Task,
    Trained,
    TrainingEngine,
    parse,
    standard_primitives,
)
from automl_loss.engine.engine import Engine
from automl_loss.engine.engine_spec import EngineSpec
from automl_loss.engine.settings import TrainingSettings, TuningSettings


class Blobs(Task):
    """Three noisy classes in six dimensions."""

    class Config(PluginConfig):
        """No options."""

    def problem(self) -> Problem:
        return Problem.classification((6,), 3)

    def _rows(self, count: int, seed: int) -> Split:
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 3, count)
        centres = np.random.default_rng(99).normal(size=(3, 6)) * 1.2
        return Split((centres[y] + rng.normal(size=(count, 6))).astype(np.float32), y)

    def splits(self, seed: int) -> Splits:
        return Splits(self._rows(150, seed), self._rows(60, seed + 1))

    def test(self, seed: int) -> Split:
        return self._rows(60, seed + 2)


@dataclass
class Factory(ModelFactory):
    """Any module by a function of input shape and outputs."""

    make: Any

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        module: nn.Module = self.make(input_shape[0], output_dim)
        return module


def small_mlp(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))


def norm_and_dropout(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, outputs)
    )


class Words:
    """The standard vocabulary as a primitive set."""

    names = (
        "add",
        "sub",
        "mul",
        "div",
        "min",
        "max",
        "sign",
        "square",
        "abs",
        "log",
        "sqrt",
        "tanh",
        "y",
        "f",
        "1",
        "-1",
    )


def loss_of(text: str, **options: Any) -> SymbolicLoss:
    return SymbolicLoss(parse(text, standard_primitives(*Words.names)), **options)


def make_engine(network: Any = small_mlp, **options: Any) -> Engine:
    training = options.pop("training", {})
    tuning = options.pop("tuning", {})
    return Engine(
        EngineSpec(
            task=lambda: Blobs(None),
            model=lambda: Factory(network),
            training=TrainingSettings(**{"steps": 20, "lr": 0.05, "batch_size": 32, **training}),
            tuning=TuningSettings(**{"steps": 5, **tuning}),
            **options,
        )
    )


def train(
    engine: TrainingEngine,
    losses: Sequence[Loss],
    *,
    lr: Any = None,
    seed: Any = None,
    rows: Any = None,
    paused: Sequence[bytes] = (),
    test: Split | None = None,
    **schedule: Any,
) -> list[Trained]:
    """Train lanes of losses, each value one for all or one each; further keywords are the schedule's."""

    def each(value: Any, default: Any) -> list[Any]:
        return (
            list(value)
            if isinstance(value, list | tuple)
            else [value if value is not None else default] * count
        )

    count = len(losses)
    lanes = [
        Lane(*lane)
        for lane in zip(
            losses, each(lr, engine.lr), each(seed, engine.search_seed(0)), each(rows, None),
            each(list(paused) or None, None), strict=True,
        )
    ]  # fmt: skip
    return engine.train(lanes, replace(engine.schedule, **{"rungs": (), **schedule}), test=test)
