"""Learning rates: every loss is judged at its own best rate, chosen on validation.

A loss multiplied by ten is the same loss at ten times the learning rate, and the best rate depends on how
long one trains. So each horizon has its own selection, on seeds that nothing else uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from automl_loss.engine.settings import Resplit
from automl_loss.engine.training.lane import Lane, Schedule
from automl_loss.final.training_runs import TrainingRuns
from automl_loss.losses.base import Loss
from automl_loss.seeds import stream

_SGD_GRID = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
_ADAMW_GRID = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
_RATIO = 10**0.5
_MOST_EXTENSIONS = 4
SEEDS = 3
"""Runs averaged for each rate."""


@dataclass(frozen=True)
class Selection:
    """The best learning rate of a loss.

    Args:
        lr: the rate with the lowest mean fitness.
        fitness: that mean; infinite when training diverged at every rate.
        tried: every rate tried, ascending, with its mean fitness.
    """

    lr: float
    fitness: float
    tried: tuple[tuple[float, float], ...]


def default_grid(optimizer: str) -> tuple[float, ...]:
    """Half-decade grid of learning rates for an optimiser."""
    return _SGD_GRID if optimizer == "sgd" else _ADAMW_GRID


@dataclass(frozen=True)
class RateTrial:
    """How learning rates are tried.

    Args:
        grid: learning rates to begin with.
        schedule: of the runs; its length is the horizon.
        seeds: runs averaged for each rate.
        rows: which rows the runs of a rate train on, in turn.
    """

    grid: tuple[float, ...]
    schedule: Schedule
    seeds: int = SEEDS
    rows: tuple[Resplit | None, ...] = (None,)


def select_lr(runs: TrainingRuns, stage: str, losses: Sequence[Loss], trial: RateTrial) -> list[Selection]:
    """The best rate of each loss on validation; a best rate at the edge of the grid extends the grid.

    Progress counts the runs of the present round of extensions.

    Args:
        runs: trains lanes.
        stage: names the seed stream and the chunk records.
        losses: at their final weights and scale.
        trial: rates, horizon and seeds.
    """
    seeds = trial.seeds
    streams = [stream(runs.engine.seed, stage, i) for i in range(seeds)]
    rows = [trial.rows[i % len(trial.rows)] for i in range(seeds)]
    tables: list[dict[float, float]] = [{} for _ in losses]
    wanted = [(k, lr) for k in range(len(losses)) for lr in sorted(trial.grid)]
    for _ in range(_MOST_EXTENSIONS + 1):
        lanes = [
            Lane(losses[k], lr, seed, own)
            for k, lr in wanted
            for seed, own in zip(streams, rows, strict=True)
        ]
        results = runs.train(stage, lanes, trial.schedule)
        for place, (k, lr) in enumerate(wanted):
            values = [
                run.fitness for run in results[place * seeds : (place + 1) * seeds] if run.fitness is not None
            ]
            tables[k][lr] = fmean(values) if len(values) == seeds else float("inf")
        wanted = [(k, lr) for k, table in enumerate(tables) for lr in _beyond(table)]
        if not wanted:
            break
    return [_select(table) for table in tables]


def _select(table: dict[float, float]) -> Selection:
    best = min(sorted(table), key=lambda lr: table[lr])
    return Selection(best, table[best], tuple(sorted(table.items())))


def _beyond(table: dict[float, float]) -> list[float]:
    """The next rate outward when the best one lies at an edge."""
    chosen = _select(table)
    if chosen.fitness == float("inf"):
        return [min(table) / _RATIO]
    if len(table) == 1:
        return []
    if chosen.lr == max(table):
        return [chosen.lr * _RATIO]
    if chosen.lr == min(table):
        return [chosen.lr / _RATIO]
    return []
