"""Networks as training leaves them: the parameters that the stopping rule chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automl_loss.engine.engine import Engine
from automl_loss.engine.network import State
from automl_loss.losses.base import Loss


@dataclass(frozen=True)
class Minimum:
    """A trained network.

    Args:
        state: of width 1, at `step`.
        step: that the stopping rule chose.
        fitness: validation metric there, lower is better.
        seed: of its initial weights and batches.
    """

    state: State
    step: int
    fitness: float
    seed: int


def train_to_minima(engine: Engine, loss: Loss, lr: float, steps: int, seeds: Sequence[int]) -> list[Minimum]:
    """Train a network on each seed and keep its parameters at the step that the stopping rule chooses.

    Args:
        engine: trains.
        loss: at its final weights and scale.
        lr: learning rate.
        steps: length of training.
        seeds: one network each.

    Returns:
        The networks whose training stayed finite, in order.
    """
    results = engine.train([loss] * len(seeds), lr=lr, steps=steps, seed=list(seeds), keep=True)
    return [
        Minimum(result.network, result.best_step, result.fitness, seed)
        for result, seed in zip(results, seeds, strict=True)
        if result.network is not None and result.fitness is not None
    ]
