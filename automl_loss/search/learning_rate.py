"""Learning rates: every loss is judged at its own best rate, chosen on validation.

A loss multiplied by ten is the same loss at ten times the learning rate, and the best rate depends on how
long one trains. So each horizon has its own selection, on seeds that nothing else uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from automl_loss.engine.training import Trained
from automl_loss.losses.base import Loss
from automl_loss.search.lanes import Lane, LaneTrainer
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


def select_lr(
    trainer: LaneTrainer,
    stage: str,
    losses: Sequence[Loss],
    grid: Sequence[float],
    steps: int,
    seeds: int = SEEDS,
    progress: Callable[[int, int], None] | None = None,
    elsewhere: Sequence[LaneTrainer] = (),
) -> list[Selection]:
    """The best rate of each loss on validation; a best rate at the edge of the grid extends the grid.

    Args:
        trainer: trains lanes.
        stage: names the seed stream and the chunk records.
        losses: at their final weights and scale.
        grid: learning rates to begin with.
        steps: the horizon.
        seeds: runs averaged for each rate.
        progress: called with (lanes done, lanes in all) of the present round.
        elsewhere: trainers on other rows of the task that the seeds go to in turn; default: `trainer` for all.
    """
    trainers = list(elsewhere) or [trainer]
    run_seed = trainer.engine.source.seed
    streams = [stream(run_seed, stage, i) for i in range(seeds)]
    tables: list[dict[float, float]] = [{} for _ in losses]
    wanted = [(k, lr) for k in range(len(losses)) for lr in sorted(grid)]
    for _ in range(_MOST_EXTENSIONS + 1):
        lanes = [Lane(losses[k], lr, seed) for k, lr in wanted for seed in streams]
        results = _shared_out(trainers, stage, lanes, seeds, steps, progress)
        for place, (k, lr) in enumerate(wanted):
            runs = results[place * seeds : (place + 1) * seeds]
            values = [run.fitness for run in runs if run.fitness is not None]
            tables[k][lr] = fmean(values) if len(values) == seeds else float("inf")
        wanted = [(k, lr) for k, table in enumerate(tables) for lr in _beyond(table)]
        if not wanted:
            break
    return [_select(table) for table in tables]


def _shared_out(
    trainers: Sequence[LaneTrainer],
    stage: str,
    lanes: Sequence[Lane],
    seeds: int,
    steps: int,
    progress: Callable[[int, int], None] | None,
) -> list[Trained]:
    """Results of the lanes, in order; of every `seeds` lanes the i-th goes to the i-th trainer, in turn."""
    results: dict[int, Trained] = {}
    for number, trainer in enumerate(trainers):
        places = [place for place in range(len(lanes)) if place % seeds % len(trainers) == number]
        before = len(results)
        count = None if progress is None else partial(_counted_on, progress, before, len(lanes))
        trained = trainer.train(stage, [lanes[place] for place in places], steps, progress=count)
        results |= dict(zip(places, trained, strict=True))
    return [results[place] for place in range(len(lanes))]


def _counted_on(progress: Callable[[int, int], None], before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)


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
