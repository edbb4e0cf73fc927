"""The network states and batches on which losses are tuned: fresh networks, or states along a task-loss run.

They are functions of (seed, index), common to all losses of a run. What amortised tuning needs of a step holds nothing
of any loss, so it is computed once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from automl_loss.engine.data.rows import Rows
from automl_loss.engine.network.network import Network, State
from automl_loss.engine.population import Compared
from automl_loss.engine.training.lane import Schedule, Trained
from automl_loss.engine.training.train import Trainer
from automl_loss.engine.tuning.meta_gradient import MetaGradient, Path, TuningStep
from automl_loss.errors import EvaluationError
from automl_loss.seeds import generator, stream

HELD_OUT = 8
"""Tuning steps beyond the last that the guard compares on."""

_TRIPLE_BYTES = 256 * 2**20
_MOST_STATES = 25
_STATE_BYTES = 256 * 2**20
_PAST_BEST = 1.25
"""Tuning states go on to this multiple of the best validation step: overfitting is where losses differ."""


@dataclass(frozen=True)
class Triple:
    """All that amortised tuning needs of one step: nothing in it depends on a candidate.

    Args:
        raw: `(1, batch, outputs)` raw outputs of the training batch.
        target: the batch's targets.
        direction: `(1, batch, outputs)`, u0 = J dT/dtheta at the step's state.
        compared: predictions and targets of raw outputs and targets.
    """

    raw: Tensor
    target: Tensor
    direction: Tensor
    compared: Compared


class TuningSteps:
    """The sequence of tuning steps of a run.

    Args:
        trainer: the network, its rows and the batch size.
        meta: takes meta-gradients.
        seed: the run seed.
        count: steps of the recipe's tuning; triples are kept for these, within a memory limit.
        states: gives states along a training run to tune on; `None`: a fresh network for each step, as published.
    """

    def __init__(
        self,
        trainer: Trainer,
        meta: MetaGradient,
        seed: int,
        count: int,
        states: Callable[[], Sequence[State]] | None,
    ) -> None:
        self.meta = meta
        self._trainer = trainer
        self._seed = stream(seed, "tuning")
        self._count = count
        self._states = states
        self._triples: dict[int, Triple] = {}

    @cached_property
    def path(self) -> Path:
        """How Jacobian-vector products of this network are taken."""
        network, train, validation = self._trainer.network, self._trainer.train, self._trainer.validation
        index = torch.arange(min(2, len(train)), device=network.device)
        return self.meta.probe(TuningStep(network.initial(0), train[index], validation[index]))

    def step(self, index: int) -> TuningStep:
        """The `index`-th step: states along a run in shuffled rounds, or a fresh network; fresh random batches."""
        seed = self._seed
        if self._states is None:
            state = self._trainer.network.initial(stream(seed, "fresh", index))
        else:
            states = self._states()
            cycle, place = divmod(index, len(states))
            state = states[generator(seed, "states", cycle).permutation(len(states))[place]]
        train = self._batch(self._trainer.train, "train", index)
        validation = self._batch(self._trainer.validation, "validation", index)
        return TuningStep(state, train, validation, stream(seed, "dropout", index))

    def _batch(self, rows: Rows, name: str, index: int) -> Rows:
        size = min(self._trainer.settings.batch_size, len(rows))
        chosen = generator(self._seed, name, index).choice(len(rows), size=size, replace=False)
        return rows[torch.as_tensor(np.sort(chosen), device=rows.target.device)]

    def triple(self, index: int) -> Triple:
        """The `index`-th triple. Past the memory limit, tuning goes round the ones that fit.

        Raises:
            EvaluationError: the network has neither forward mode nor double backward.
        """
        rows = min(self._trainer.settings.batch_size, len(self._trainer.train))
        outputs = self.meta.task_loss.problem.output_dim
        most = max(HELD_OUT + 1, _TRIPLE_BYTES // (rows * outputs * 16))
        whole = self._count + HELD_OUT <= most or index >= self._count
        place = index if whole else index % (most - HELD_OUT)
        if place not in self._triples:
            if self.path is Path.LOOP:
                raise EvaluationError(
                    "this network has neither forward mode nor double backward, which tuning needs; set `tuning: none`."
                )
            step = self.step(place)
            raw, direction = self.meta.at_start(step, self.path)
            target = step.train.target
            compared = self.meta.task_loss.compare(raw, target)
            self._triples[place] = Triple(raw, target, direction, compared)
        return self._triples[place]


def snapshot_schedule(network: Network, steps: int, milestones: Sequence[float]) -> Schedule:
    """Schedule of a task-loss run whose snapshots are to be tuned on, evenly spaced; the last step is one, too.

    Twice as many are kept as will be used, since where the best step lies is known at the end only.
    """
    count = _most_states(network)
    at = {round(steps * k / (2 * count)) for k in range(2 * count)}
    return Schedule(steps, milestones=tuple(milestones), snapshots=(*sorted(at), steps))


def tuning_states(run: Trained, network: Network, steps: int) -> list[State]:
    """The snapshots of a task-loss run from its start to past its best step, thinned to the number that is kept."""
    within = [
        state for step, state in run.snapshots.items() if step < steps and step <= _PAST_BEST * run.best_step
    ]
    return within[:: max(1, -(-len(within) // _most_states(network)))]


def _most_states(network: Network) -> int:
    bytes_each = network.parameters * torch.finfo(network.dtype).bits // 8
    return max(2, min(_MOST_STATES, _STATE_BYTES // (2 * bytes_each)))
