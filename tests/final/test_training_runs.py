from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engines import loss_of, make_engine
from support.executors import Inline

from automl_loss import Engine, Lane, Schedule, Trained
from automl_loss.final.training_runs import TrainingRuns, digest
from automl_loss.record.ledger import Ledger
from automl_loss.record.recording import Recording
from automl_loss.record.run_directory import RunDirectory
from automl_loss.record.workers import Workers


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
        executor = Inline()
        directory = (
            RunDirectory.open(self.path) if self.path.exists() else RunDirectory.create("run", self.path)
        )
        with directory:
            if not directory.resumed:
                directory.recipe.write_text("")
            ledger = Ledger.open(directory, "run")
            report = options.pop("report", lambda *counted: None)
            recording = Recording(Workers(executor), ledger.chunks, directory, chunk, report)
            runs = TrainingRuns(engine, recording, "phase")
            results = runs.train("stage", lanes, runs.schedule(20), **options)
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
    alone = [engine.train([lane], Schedule(20))[0] for lane in lanes]
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
    executor = Inline()
    with RunDirectory.create("run", tmp_path) as directory:
        records = Ledger.open(directory, "run").chunks
        runs = TrainingRuns(engine, Recording(Workers(executor), records, directory, 8))
        short = runs.train("a", lanes[:1], runs.schedule(10))
        long = runs.train("a", lanes[:1], runs.schedule(20))
        runs.train("b", lanes[:1], runs.schedule(20))
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

    def stop(phase: str, done: int, total: int) -> None:
        assert (phase, total) == ("phase", len(lanes))
        if done >= 4:
            raise Stopped

    with pytest.raises(Stopped):
        place.train(engine, 2, lanes, report=stop)
    _, computed = place.train(engine, 2, lanes)
    assert computed == len(lanes) - 4


def test_a_diverged_run_is_a_result_and_is_recalled_as_one(engine: Engine, place: Place) -> None:
    bad = [Lane(loss_of("square(sub(f, y))", scale=1e300), 1e300, 1)]
    first, _ = place.train(engine, 1, bad)
    again, computed = place.train(engine, 1, bad)
    assert computed == 0
    assert first[0].diverged
    assert again == first


def test_lanes_on_equal_rows_share_chunks_and_results_keep_the_order(
    engine: Engine, lanes: list[Lane], place: Place
) -> None:
    mixed = [replace(lane, rows=[None, "both", 1][i % 3]) for i, lane in enumerate(lanes)]
    results, computed = place.train(engine, 2, mixed)
    assert computed == len(lanes)
    for lane, result in zip(mixed, results, strict=True):
        assert result.curve == pytest.approx(engine.train([lane], Schedule(20))[0].curve, abs=1e-9)
    _, computed = place.train(engine, 2, [*mixed[:-1], replace(mixed[-1], rows=2)])
    assert computed == 3  # the changed lane, and the two that are left on its rows, cut anew
