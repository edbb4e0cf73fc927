from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from automl_loss.final.lane_runs import Lane, LaneTrainer, cut, digest
from hypothesis import given
from hypothesis import strategies as st
from support.engines import loss_of, make_engine

from automl_loss.engine.engine import Engine
from automl_loss.engine.training.train import Trained
from automl_loss.plugins.executor import Executor, Item, Result
from automl_loss.record.ledger import Ledger
from automl_loss.record.run_directory import RunDirectory


class Counting(Executor):
    """Runs in this process and remembers what it was given."""

    def __init__(self) -> None:
        super().__init__(None)
        self.items: list[Any] = []

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        for item in items:
            self.items.append(item)
            yield function(item)


@given(st.integers(0, 300), st.integers(1, 40))
def test_chunks_keep_the_order_are_even_and_at_most_the_size(count: int, size: int) -> None:
    items = list(range(count))
    chunks = cut(items, size)
    assert [item for chunk in chunks for item in chunk] == items
    lengths = [len(chunk) for chunk in chunks]
    assert all(1 <= length <= size for length in lengths)
    assert max(lengths, default=0) - min(lengths, default=0) <= 1
    assert count < 2 or len(chunks) % 2 == 0 or len(chunks) == count
    assert len(chunks) <= -(-count // size) + 1


def test_a_digest_names_equal_data_alike_whatever_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [0.1]}) == digest({"b": [0.1], "a": 1})
    assert digest([0.1]) != digest([np.nextafter(0.1, 1.0)])


@pytest.fixture(scope="module")
def engine() -> Engine:
    return make_engine(dtype="float64")


@pytest.fixture
def lanes() -> list[Lane]:
    losses = [loss_of("mul(-1, mul(y, log(f)))"), loss_of("square(sub(f, y))")]
    return [Lane(loss, lr, seed) for loss in losses for lr in (0.03, 0.3) for seed in (5, 6)]


class Place:
    """A run directory whose ledger is opened again and again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def train(
        self, engine: Engine, chunk: int, lanes: list[Lane], **options: Any
    ) -> tuple[list[Trained], int]:
        """Results of a fresh session, and the number of lanes it computed."""
        executor = Counting()
        directory = (
            RunDirectory.open(self.path) if self.path.exists() else RunDirectory.create("run", self.path)
        )
        with directory:
            if not directory.resumed:
                directory.recipe.write_text("")
            ledger = Ledger.open(directory, "run")
            trainer = LaneTrainer(engine, executor, ledger, chunk, self.path / "retraining")
            results = trainer.train("stage", lanes, 20, **options)
            ledger.close()
        return results, sum(len(item) for item in executor.items)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "run")


def values(results: list[Trained]) -> list[Any]:
    return [(r.fitness, r.last, r.best_step, r.curve, r.steps) for r in results]


def without_time(results: list[Trained]) -> list[Trained]:
    return [replace(result, seconds=0.0, test_output=None, test_output_last=None) for result in results]


def test_results_are_those_of_the_engine_in_order_whatever_the_chunks(
    engine: Engine, lanes: list[Lane], tmp_path: Path
) -> None:
    alone = [engine.train([lane.loss], lr=lane.lr, seed=lane.seed, steps=20)[0] for lane in lanes]
    assert len({result.curve for result in alone}) == len(lanes)
    for chunk in (1, 3, 8):
        results, _ = Place(tmp_path / str(chunk)).train(engine, chunk, lanes)
        for result, single in zip(results, alone, strict=True):
            assert result.curve == pytest.approx(single.curve, abs=1e-9)
            assert result.fitness == pytest.approx(single.fitness, abs=1e-9)
            assert result.best_step == single.best_step


def test_a_recorded_chunk_is_not_computed_again_and_comes_back_bit_for_bit(
    engine: Engine, lanes: list[Lane], place: Place
) -> None:
    first, computed = place.train(engine, 3, lanes)
    assert computed == len(lanes)
    again, computed = place.train(engine, 3, lanes)
    assert computed == 0
    assert again == first


def test_only_what_differs_is_computed(engine: Engine, lanes: list[Lane], place: Place) -> None:
    place.train(engine, 2, lanes)
    changed = [*lanes[:-1], replace(lanes[-1], lr=0.5)]
    results, computed = place.train(engine, 2, changed)
    assert computed == 2
    fresh, _ = Place(place.path.with_name("other")).train(engine, 2, changed)
    assert without_time(results) == without_time(fresh)


def test_other_steps_or_another_stage_share_nothing(
    engine: Engine, lanes: list[Lane], tmp_path: Path
) -> None:
    executor = Counting()
    with RunDirectory.create("run", tmp_path) as directory:
        trainer = LaneTrainer(engine, executor, Ledger.open(directory, "run"), 8, tmp_path / "retraining")
        short = trainer.train("a", lanes[:1], 10)
        long = trainer.train("a", lanes[:1], 20)
        trainer.train("b", lanes[:1], 20)
    assert len(executor.items) == 3
    assert (short[0].steps, long[0].steps) == (10, 20)


def test_outputs_on_test_rows_come_back_bit_for_bit_after_reopening(
    engine: Engine, lanes: list[Lane], place: Place
) -> None:
    test = engine.task.test(0)
    first, _ = place.train(engine, 3, lanes, test=test)
    again, computed = place.train(engine, 3, lanes, test=test)
    assert computed == 0
    for one, other in zip(first, again, strict=True):
        for name in ("test_output", "test_output_last"):
            mine, theirs = getattr(one, name), getattr(other, name)
            assert mine.shape == (60, 3)
            assert mine.dtype == theirs.dtype == np.float32
            assert np.array_equal(mine, theirs)
    assert without_time(again) == without_time(first)
    assert not np.array_equal(first[0].test_output, first[-1].test_output)  # type: ignore[arg-type]


def test_a_chunk_whose_outputs_are_lost_is_computed_again(
    engine: Engine, lanes: list[Lane], place: Place
) -> None:
    test = engine.task.test(0)
    first, _ = place.train(engine, 2, lanes, test=test)
    next((place.path / "retraining").iterdir()).unlink()
    again, computed = place.train(engine, 2, lanes, test=test)
    assert computed == 2
    assert values(again) == values(first)
    assert np.array_equal(again[0].test_output, first[0].test_output)  # type: ignore[arg-type]


def test_what_a_stopped_training_finished_is_kept(engine: Engine, lanes: list[Lane], place: Place) -> None:
    class Stopped(RuntimeError):
        pass

    def stop(done: int, total: int) -> None:
        assert total == len(lanes)
        if done >= 4:
            raise Stopped

    with pytest.raises(Stopped):
        place.train(engine, 2, lanes, progress=stop)
    _, computed = place.train(engine, 2, lanes)
    assert computed == len(lanes) - 4


def test_a_diverged_run_is_a_result_and_is_recalled_as_one(engine: Engine, place: Place) -> None:
    bad = [Lane(loss_of("square(sub(f, y))", scale=1e300), 1e300, 1)]
    first, _ = place.train(engine, 1, bad)
    again, computed = place.train(engine, 1, bad)
    assert computed == 0
    assert first[0].diverged
    assert again == first
