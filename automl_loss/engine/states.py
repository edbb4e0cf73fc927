"""The network states at which tuning looks at a loss: along a task-loss run, or fresh networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from automl_loss.engine._random import seeded
from automl_loss.engine.data import BatchOrder, Rows
from automl_loss.engine.metrics import Metric
from automl_loss.engine.network import Network, State
from automl_loss.engine.optimizers import make_optimizer
from automl_loss.engine.population import Population
from automl_loss.engine.settings import TrainingSettings
from automl_loss.engine.training import Schedule
from automl_loss.seeds import generator, stream

_MOST_STATES = 25
_STATE_BYTES = 256 * 2**20
_PAST_BEST = 1.25
"""A trajectory is kept to this multiple of its best validation step: overfitting is where losses differ."""


@dataclass(frozen=True)
class TuningStep:
    """One meta-gradient step's state and batches.

    Args:
        state: a single network.
        train: the batch of the inner step.
        validation: the batch of the task loss.
        seed: of the dropout masks, the same in every pass of the step.
    """

    state: State
    train: Rows
    validation: Rows
    seed: int = 0


class Trajectory:
    """States along one training run under the task loss, evenly spaced from the start to past its best step.

    Args:
        network: the architecture.
        train: training rows.
        validation: validation rows.
        task_loss: population of the task loss alone.
        metric: finds the best validation step.
        settings: optimiser and batch size.
        steps: length of the run.
        lr: its learning rate.
        seed: stream of the run.
    """

    def __init__(
        self,
        network: Network,
        train: Rows,
        validation: Rows,
        task_loss: Population,
        metric: Metric,
        settings: TrainingSettings,
        steps: int,
        lr: float,
        seed: int,
    ) -> None:
        bytes_each = network.parameters * torch.finfo(network.dtype).bits // 8
        count = max(2, min(_MOST_STATES, _STATE_BYTES // (2 * bytes_each)))
        # Twice as many are kept on the way, since where the best step lies is known at the end only.
        at = sorted({round(steps * k / (2 * count)) for k in range(2 * count)})
        looks = set(Schedule(steps).looks)
        state = network.initial(stream(seed, "weights"))
        optimizer = make_optimizer(settings)
        order = BatchOrder(len(train), settings.batch_size, seed)
        rates = torch.full((1, 1), lr, dtype=network.dtype, device=network.device)
        kept: list[tuple[int, State]] = []
        best, best_step = float("inf"), steps
        with seeded(stream(seed, "dropout"), network.device):
            for step in range(steps):
                if step in at:
                    kept.append((step, state.clone()))
                batch = train[torch.as_tensor(order[step], device=network.device)]
                raw, pull_back = network.differentiable(state, batch.x, shared=True)
                optimizer.step(state.theta, pull_back(task_loss.gradient(raw, batch.target)), rates)
                if step + 1 in looks:
                    value = float(metric.values(network.outputs(state, validation), validation.target)[0])
                    if value < best:
                        best, best_step = value, step + 1
        within = [pair for pair in kept if pair[0] <= _PAST_BEST * best_step]
        chosen = within[:: max(1, -(-len(within) // count))]
        self.states = [pair[1] for pair in chosen]
        self.steps = [pair[0] for pair in chosen]
        self.final = state


def trajectory_step(
    states: Sequence[State], train: Rows, validation: Rows, batch_size: int, seed: int, index: int
) -> TuningStep:
    """The `index`-th tuning step on a trajectory: states in shuffled rounds, fresh random batches."""
    cycle, place = divmod(index, len(states))
    order = generator(seed, "states", cycle).permutation(len(states))
    batches = _batches(train, validation, batch_size, seed, index)
    return TuningStep(states[order[place]], *batches, stream(seed, "dropout", index))


def initial_step(
    network: Network, train: Rows, validation: Rows, batch_size: int, seed: int, index: int
) -> TuningStep:
    """The `index`-th tuning step on a fresh network, as published."""
    state = network.initial(stream(seed, "fresh", index))
    return TuningStep(
        state, *_batches(train, validation, batch_size, seed, index), stream(seed, "dropout", index)
    )


def _batches(train: Rows, validation: Rows, batch_size: int, seed: int, index: int) -> tuple[Rows, Rows]:
    def batch(rows: Rows, name: str) -> Rows:
        size = min(batch_size, len(rows))
        chosen = generator(seed, name, index).choice(len(rows), size=size, replace=False)
        return rows[torch.as_tensor(np.sort(chosen), device=rows.target.device)]

    return batch(train, "train"), batch(validation, "validation")
