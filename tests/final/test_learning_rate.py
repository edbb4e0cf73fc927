from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from support.engines import loss_of

from automl_loss import Lane, Schedule, Trained
from automl_loss.final.learning_rate import SEEDS, RateTrial, Selection, default_grid, select_lr
from automl_loss.seeds import stream

RATIO = math.sqrt(10)
LOSS, OTHER = loss_of("square(sub(f, y))"), loss_of("abs(sub(f, y))")


@dataclass
class Pretended:
    """A trainer whose fitness is a formula, so that the best rate is known."""

    fitness: Callable[[Lane], float | None]
    trained: list[Lane] = field(default_factory=list)
    rounds: int = 0
    engine: Any = field(default_factory=lambda: SimpleNamespace(seed=17))

    def train(self, stage: str, lanes: Sequence[Lane], schedule: Schedule) -> list[Trained]:
        self.rounds += 1
        self.trained += lanes
        return [Trained(self.fitness(lane), None, 0, (), (), schedule.steps, 0.0) for lane in lanes]


def valley(best: float) -> Callable[[Lane], float]:
    return lambda lane: abs(math.log10(lane.lr / best))


def select(trainer: Pretended, grid: Sequence[float], losses: Sequence[Any] = (LOSS,)) -> list[Selection]:
    return select_lr(trainer, "stage", losses, RateTrial(tuple(grid), Schedule(20)))  # type: ignore[arg-type]


def test_the_rate_with_the_lowest_mean_fitness_is_chosen() -> None:
    trainer = Pretended(valley(0.09))
    (found,) = select(trainer, (0.3, 0.01, 0.1, 0.03))
    assert found.lr == 0.1
    assert found.fitness == pytest.approx(math.log10(0.1 / 0.09))
    assert [lr for lr, _ in found.tried] == [0.01, 0.03, 0.1, 0.3]
    assert trainer.rounds == 1
    assert len(trainer.trained) == 4 * SEEDS


def test_the_mean_over_seeds_decides_and_not_the_luckiest_seed() -> None:
    lucky = stream(17, "stage", 0)

    def fitness(lane: Lane) -> float:
        return {0.1: 0.5, 0.2: 0.0 if lane.seed == lucky else 0.9}.get(lane.lr, 0.6)

    (found,) = select(Pretended(fitness), (0.05, 0.1, 0.2, 0.3))
    assert dict(found.tried)[0.2] == pytest.approx(0.6)
    assert dict(found.tried)[0.1] == found.fitness == 0.5


@pytest.mark.parametrize(("best", "edge"), [(0.1 * RATIO**2, 0.1), (0.01 / RATIO**2, 0.01)])
def test_a_best_rate_at_an_edge_extends_the_grid_until_it_lies_inside(best: float, edge: float) -> None:
    trainer = Pretended(valley(best))
    (found,) = select(trainer, (0.01, 0.03, 0.1))
    assert found.lr == pytest.approx(best)
    assert len(found.tried) == 3 + 3
    assert found.lr not in (found.tried[0][0], found.tried[-1][0])
    assert abs(math.log(found.lr / edge)) == pytest.approx(2 * math.log(RATIO))


def test_no_rate_is_trained_twice() -> None:
    trainer = Pretended(valley(10.0))
    select(trainer, (0.01, 0.03, 0.1))
    assert len(set(trainer.trained)) == len(trainer.trained)


def test_an_extension_comes_to_an_end_where_there_is_no_best_rate() -> None:
    (found,) = select(Pretended(lambda lane: 1 / lane.lr), (0.01, 0.1))
    assert len(found.tried) == 2 + 4
    assert found.lr == found.tried[-1][0] == pytest.approx(0.1 * RATIO**4)


def test_a_rate_at_which_one_seed_diverges_is_not_chosen() -> None:
    diverging = stream(17, "stage", 2)

    def fitness(lane: Lane) -> float | None:
        return None if lane.lr == 0.1 and lane.seed == diverging else {0.03: 0.5, 0.1: 0.0}.get(lane.lr, 0.75)

    (found,) = select(Pretended(fitness), (0.01, 0.03, 0.1))
    assert (found.lr, found.fitness) == (0.03, 0.5)
    assert dict(found.tried)[0.1] == math.inf


def test_a_loss_that_diverges_everywhere_is_tried_at_lower_rates_and_reported_as_infinite() -> None:
    (found,) = select(Pretended(lambda lane: None), (0.01, 0.1))
    assert found.fitness == math.inf
    assert [lr for lr, _ in found.tried] == pytest.approx([0.01 / RATIO**k for k in (4, 3, 2, 1, 0)] + [0.1])
    (found,) = select(Pretended(lambda lane: None if lane.lr > 0.002 else lane.lr), (0.01, 0.1))
    assert found.fitness < math.inf


def test_one_rate_alone_is_not_extended() -> None:
    trainer = Pretended(valley(1.0))
    (found,) = select(trainer, (0.01,))
    assert (found.lr, trainer.rounds) == (0.01, 1)


def test_every_loss_gets_its_own_best_rate() -> None:
    def fitness(lane: Lane) -> float:
        return valley(0.03 if lane.loss == LOSS else 0.3)(lane)

    assert [found.lr for found in select(Pretended(fitness), (0.01, 0.03, 0.1, 0.3, 1.0), (LOSS, OTHER))] == [
        0.03,
        0.3,
    ]


def test_seeds_go_to_rows_in_turn() -> None:
    runs = Pretended(lambda lane: valley({0: 0.01, "both": 0.01, None: 0.3}[lane.rows])(lane))
    trial = RateTrial((0.003, 0.01, 0.03), Schedule(20), seeds=4, rows=(0, "both", None))
    (found,) = select_lr(runs, "stage", [LOSS], trial)  # type: ignore[arg-type]
    seeds = [stream(17, "stage", i) for i in range(4)]
    assert {(lane.seed, lane.rows) for lane in runs.trained} == set(
        zip(seeds, (0, "both", None, 0), strict=True)
    )
    assert (found.lr, found.fitness) == (0.01, pytest.approx(math.log10(30) / 4))


def test_stages_draw_from_disjoint_seed_streams_and_losses_of_a_stage_share_theirs() -> None:
    seeds = {}
    for stage in ("learning-rate", "handcrafted", "finalists", "retraining-lr"):
        trainer = Pretended(valley(0.03))
        trial = RateTrial((0.01, 0.03, 0.1), Schedule(20))
        select_lr(trainer, stage, [LOSS, OTHER], trial)  # type: ignore[arg-type]
        by_loss = {
            loss: {lane.seed for lane in trainer.trained if lane.loss == loss} for loss in (LOSS, OTHER)
        }
        assert by_loss[LOSS] == by_loss[OTHER]
        assert len(by_loss[LOSS]) == SEEDS
        seeds[stage] = by_loss[LOSS]
    seeds["search"] = {stream(17, "search", i) for i in range(3)}
    seeds["retraining"] = {stream(17, "retraining", i) for i in range(10)}
    everyone = [seed for drawn in seeds.values() for seed in drawn]
    assert len(set(everyone)) == len(everyone)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_default_grids_are_half_decades_upward(optimizer: str) -> None:
    grid = default_grid(optimizer)
    assert all(2.9 < high / low < 3.5 for low, high in pairwise(grid))
    assert grid[-1] / grid[0] == pytest.approx(1000)
