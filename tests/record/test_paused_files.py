from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engines import loss_of, make_engine, train

from automl_loss import AutolossError, Candidate, Context, Engine, Executor, Leg, Outcome, Status, race
from automl_loss.plugins.executor import Item, Result
from automl_loss.record.ledger import Ledger
from automl_loss.record.paused_files import PausedFiles
from automl_loss.record.recorded_map import RecordedMap
from automl_loss.record.run_directory import RunDirectory

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
    kept = files.keep("generation-3/stage-0/1-13x3", CHUNK)
    assert held(kept) == held(CHUNK)
    assert kept[0].paused[-1] == kept[0].paused[2:][0] == bytes(range(256))
    assert [outcome.paused for outcome in pickle.loads(pickle.dumps(kept))] == [o.paused for o in CHUNK]
    plain = [outcome(o.id) for o in CHUNK]
    assert held(PausedFiles(tmp_path / "paused").find("generation-3/stage-0/1-13x3", plain)) == held(CHUNK)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    files = PausedFiles(tmp_path / "paused")
    files.clear()
    assert files.find("generation-0/stage-0/1-2x2", CHUNK) is None
    files.keep("generation-0/stage-0/1-2x2", CHUNK)
    assert files.find("generation-0/stage-1/1-2x2", CHUNK) is None
    files.clear()
    assert files.find("generation-0/stage-0/1-2x2", CHUNK) is None
    assert not (tmp_path / "paused").exists()


def test_a_full_disk_is_an_error_that_says_so(small_disk: Path) -> None:
    with pytest.raises(AutolossError, match="the disk is full"):
        PausedFiles(small_disk / "paused").keep("generation-0/stage-0/1-1x1", [outcome(1, bytes(1_000_000))])


class Inline(Executor):
    """Runs chunks in this process, each sent there and back as to a worker; fails after so many."""

    def __init__(self, most: int) -> None:
        super().__init__(None)
        self.most = most
        self.done: list[list[int]] = []

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        for item in items:
            if len(self.done) == self.most:
                raise KeyboardInterrupt
            chunk: Any = pickle.loads(pickle.dumps(item))
            self.done.append([candidate.id for candidate in chunk])
            yield pickle.loads(pickle.dumps(function(chunk)))


def train(engine: Engine, chunk: tuple[Candidate, ...], leg: Leg) -> list[Outcome]:
    runs = train(
        engine,
        [candidate.loss for candidate in chunk],
        rungs=engine.training.rungs,
        until=leg.end,
        paused=[run for (run,) in leg.paused],
    )
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

    def evaluate(self, most: int = 100, *, files: bool = True) -> tuple[list[Outcome], list[list[int]]]:
        """Outcomes, and the chunks that were computed; the session is interrupted after so many chunks."""
        executor = Inline(most)
        first = {
            i: Outcome(i, Status.EVALUATED, i / 10, LOSS, rungs=(i / 10, i / 10)) for i in range(1, 6)
        }  # fmt: skip
        exists = self.path.exists()
        directory = RunDirectory.open(self.path) if exists else RunDirectory.create("run", self.path)
        with directory:
            directory.recipe.touch()
            ledger = Ledger.open(directory, "run")
            paused = PausedFiles(self.path / "paused") if files else None
            context = Context(
                self._engine.problem, self._engine, first, np.random.default_rng(0),
                RecordedMap(executor, ledger, 2, 1, {}, lambda found: None, paused), lambda found: None,
                (range(1, 6),),
            )  # fmt: skip
            outcomes: list[Outcome] = []
            try:
                outcomes = race(CANDIDATES, context, partial(train, self._engine))
            except KeyboardInterrupt:
                assert len(executor.done) == most
            finally:
                ledger.close()
        return outcomes, executor.done


@pytest.fixture(scope="module")
def engine() -> Engine:
    return make_engine(training={"steps": 40, "rungs": (20, 30)})


@pytest.fixture(scope="module")
def whole(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Outcome], list[list[int]]]:
    return Session(tmp_path_factory.mktemp("whole") / "run", engine).evaluate()


def test_a_race_whose_runs_stay_in_memory_is_the_same(
    whole: tuple[list[Outcome], list[list[int]]], engine: Engine, tmp_path: Path
) -> None:
    assert Session(tmp_path / "run", engine).evaluate(files=False) == whole


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
    assert again == outcomes
    assert computed == (chunks[: min(most, PAUSING)] if lost else []) + chunks[most:]


def test_a_finished_race_computes_nothing_again(engine: Engine, tmp_path: Path) -> None:
    session = Session(tmp_path / "run", engine)
    first, _ = session.evaluate()
    assert session.evaluate() == (first, [])
