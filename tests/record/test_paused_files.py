from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engines import loss_of, make_engine
from support.executors import Inline

from automl_loss import AutolossError, Candidate, Context, Engine, Lane, Leg, Outcome, Status, race
from automl_loss.expression import standard_primitives
from automl_loss.plugins.evaluator import ChunkMap
from automl_loss.record.ledger import Ledger
from automl_loss.record.paused_files import PausedFiles
from automl_loss.record.recorded_map import cut
from automl_loss.record.recording import Recording
from automl_loss.record.run_directory import RunDirectory
from automl_loss.record.workers import Workers
from automl_loss.search.generation_map import GenerationMap
from automl_loss.search.plugin_guard import GuardedStages, Identity

GUARD = GuardedStages(Identity("evaluator", "mine", "Mine", "of acme 1.0"), "here")
LOSS = loss_of("square(sub(y, f))")
TEXTS = [
    "square(sub(y, f))",
    "mul(mul(-1, y), log(f))",
    "abs(sub(y, f))",
    "mul(mul(-1, y), sqrt(f))",
    "mul(f, sub(f, y))",
    "sub(f, mul(y, log(f)))",
]
PAUSING = 6
"""Chunks of the first two legs; those of the last leave nothing paused, and their record is enough."""
CANDIDATES = [Candidate(i, loss_of(text), 1) for i, text in enumerate(TEXTS, start=11)]


def outcome(i: int, *paused: bytes) -> Outcome:
    return Outcome(i, Status.PRUNED, None, LOSS, rungs=(0.5,), paused=paused)


CHUNK = [outcome(1, b"a", b"", bytes(range(256))), outcome(2), outcome(13, b"d")]


def held(outcomes: Sequence[Outcome] | None) -> list[list[bytes]]:
    assert outcomes is not None
    return [list(outcome.paused) for outcome in outcomes]


def test_runs_come_back_to_the_bit_in_this_process_in_another_one_and_after_an_interruption(
    tmp_path: Path,
) -> None:
    files = PausedFiles(tmp_path / "paused")
    kept, digest = files.keep("generation-3/stage-0/1-13x3", CHUNK)
    assert held(kept) == held(CHUNK)
    assert kept[0].paused[-1] == kept[0].paused[2:][0] == bytes(range(256))
    assert [outcome.paused for outcome in pickle.loads(pickle.dumps(kept))] == [o.paused for o in CHUNK]
    plain = [outcome(o.id) for o in CHUNK]
    found = PausedFiles(tmp_path / "paused").find("generation-3/stage-0/1-13x3", plain, digest)
    assert held(found) == held(CHUNK)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    files = PausedFiles(tmp_path / "paused")
    files.clear()
    assert files.find("generation-0/stage-0/1-2x2", CHUNK, None) is None
    files.keep("generation-0/stage-0/1-2x2", CHUNK)
    assert files.find("generation-0/stage-1/1-2x2", CHUNK, None) is None
    files.clear()
    assert files.find("generation-0/stage-0/1-2x2", CHUNK, None) is None
    assert not (tmp_path / "paused").exists()


def test_a_full_disk_is_an_error_that_says_so(small_disk: Path) -> None:
    with pytest.raises(AutolossError, match="the disk is full"):
        PausedFiles(small_disk / "paused").keep("generation-0/stage-0/1-1x1", [outcome(1, bytes(1_000_000))])


def leg_stage(engine: Engine, chunk: tuple[Candidate, ...], leg: Leg) -> list[Outcome]:
    paused = leg.paused or [(None,)] * len(chunk)
    lanes = [
        Lane(c.loss, engine.lr, engine.search_seed(0), paused=run)
        for c, (run,) in zip(chunk, paused, strict=True)
    ]
    runs = engine.train(lanes, replace(engine.schedule, until=leg.end))
    return [
        Outcome(
            c.id, Status.EVALUATED, run.fitness, c.loss, rungs=run.rungs, steps=float(run.steps - leg.start),
            metrics={"curve": float(np.sum(run.curve))}, paused=() if run.paused is None else (run.paused,),
        )
        for c, run in zip(chunk, runs, strict=True)
    ]  # fmt: skip


class Session:
    """The second generation of a run with racing, in one session after another."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self._engine = engine

    def evaluate(self, most: int = 100) -> tuple[list[Outcome], list[list[int]]]:
        """Outcomes, and the chunks that were computed; the session is interrupted after so many chunks."""
        executor = Inline(most=most, sent=True)
        exists = self.path.exists()
        directory = RunDirectory.open(self.path) if exists else RunDirectory.create("run", self.path)
        with directory:
            directory.recipe.touch()
            ledger = Ledger.open(directory, "run")
            recording = Recording(Workers(executor), ledger.chunks, directory, 2)
            mapped = GenerationMap(recording, 1, standard_primitives(), GUARD, LOSS, lambda found: None)
            outcomes: list[Outcome] = []
            try:
                outcomes = raced(self._engine, mapped)
            except KeyboardInterrupt:
                assert len(executor.items) == most
            finally:
                ledger.close()
        return outcomes, [[candidate.id for candidate in chunk] for chunk in executor.items]


def raced(engine: Engine, mapped: ChunkMap) -> list[Outcome]:
    """The outcomes of a race whose stages run by a map."""
    first = {i: Outcome(i, Status.EVALUATED, i / 10, LOSS, rungs=(i / 10, i / 10)) for i in range(1, 6)}
    context = Context(
        engine.problem, engine, first, np.random.default_rng(0), mapped, lambda found: None, (range(1, 6),)
    )
    return race(CANDIDATES, context, partial(leg_stage, engine))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return make_engine(training={"steps": 40, "rungs": (20, 30)})


@pytest.fixture(scope="module")
def whole(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Outcome], list[list[int]]]:
    return Session(tmp_path_factory.mktemp("whole") / "run", engine).evaluate()


def test_a_race_whose_runs_stay_in_memory_is_the_same(
    whole: tuple[list[Outcome], list[list[int]]], engine: Engine
) -> None:
    def inline(stage: Any, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
        return (outcome for chunk in cut(candidates, 2) for outcome in stage(chunk))

    def without_time(outcomes: list[Outcome]) -> list[Outcome]:
        return [replace(outcome, seconds=0.0) for outcome in outcomes]

    assert without_time(raced(engine, inline)) == without_time(whole[0])


@pytest.mark.parametrize("lost", [False, True], ids=["files there", "files lost"])
@pytest.mark.parametrize("most", [1, 2, 4, 5, 6, 7])
def test_a_race_that_is_interrupted_anywhere_goes_on_to_the_same_bits(
    whole: tuple[list[Outcome], list[list[int]]], engine: Engine, tmp_path: Path, most: int, lost: bool
) -> None:
    outcomes, chunks = whole
    assert {o.status for o in outcomes} == {Status.EVALUATED, Status.PRUNED}
    assert len(chunks) > most
    session = Session(tmp_path / "run", engine)
    assert session.evaluate(most) == ([], chunks[:most])
    if lost:
        PausedFiles(session.path / "paused").clear()
    again, computed = session.evaluate()
    assert [replace(o, seconds=0.0) for o in again] == [replace(o, seconds=0.0) for o in outcomes]
    assert computed == (chunks[: min(most, PAUSING)] if lost else []) + chunks[most:]


def test_a_finished_race_computes_nothing_again(engine: Engine, tmp_path: Path) -> None:
    session = Session(tmp_path / "run", engine)
    first, _ = session.evaluate()
    assert session.evaluate() == (first, [])
