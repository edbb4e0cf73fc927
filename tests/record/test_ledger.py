from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from automl_loss.errors import AutolossError, ResumeError
from automl_loss.expression import parse, standard_primitives
from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.losses.symbolic import SymbolicLoss
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.record.ledger import Ledger
from automl_loss.record.run_directory import RunDirectory

PROPOSED = SymbolicLoss(parse("mul(y, log(f))", standard_primitives()))
TUNED = replace(PROPOSED, weights=(0.1 + 0.2, 1 / 3, -0.0, 5e-324), scale=np.pi)
TASK_LOSS = HandcraftedLoss("cross_entropy", "multiclass")

WRITE = """
import os, signal, sys
from pathlib import Path
from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.record.ledger import Ledger
from automl_loss.record.run_directory import RunDirectory

path, torn_at = Path(sys.argv[1]), int(sys.argv[2])
loss = HandcraftedLoss("cross_entropy", "multiclass")
with RunDirectory.open(path) as directory:
    ledger = Ledger.open(directory, "mine")
    real = os.write
    def half_then_die(descriptor, data):
        real(descriptor, data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    for i in range(100_000):
        if i == torn_at:
            os.write = half_then_die
        outcome = Outcome(i, Status.EVALUATED, 1 / (i + 1), loss)
        ledger.record(outcome, Candidate(i, loss, 0), chunk="c", lr=0.1)
        ledger.chunks.remember(f"chunk-{i}", [i])
        print(i, flush=True)
"""


class Home:
    """A run directory that is opened again and again."""

    def __init__(self, path: Path, storage: str | None) -> None:
        self.path, self.storage = path, storage
        self._started = False

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The run's ledger, in a session of its own."""
        resumed, self._started = self._started, True
        directory = RunDirectory.open(self.path) if resumed else RunDirectory.create("mine", self.path)
        directory.recipe.touch()
        with directory:
            ledger = Ledger.open(directory, "mine", self.storage)
            yield ledger
            ledger.close()

    def study(self) -> optuna.Study:
        """The study as Optuna itself reads it."""
        if self.storage is not None:
            return optuna.load_study(study_name="mine", storage=self.storage)
        backend = optuna.storages.journal.JournalFileBackend(str(self.path / "journal.log"))
        return optuna.load_study(study_name="mine", storage=optuna.storages.JournalStorage(backend))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "run", None)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that Optuna has laid out, which takes it a second."""
    path = tmp_path_factory.mktemp("database") / "studies.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}").remove_session()
    return path


@pytest.fixture(params=["journal", "database"])
def either(request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path) -> Home:
    """A run directory with the ledger in its journal, or in a database."""
    if request.param == "journal":
        return Home(tmp_path / "run", None)
    shutil.copy(empty_database, tmp_path / "studies.db")
    return Home(tmp_path / "run", f"sqlite:///{tmp_path / 'studies.db'}")


def one(number: int = 3, status: Status = Status.EVALUATED, **changes: Any) -> tuple[Outcome, Candidate]:
    """An outcome and its candidate."""
    usual = {"fitness": 0.1 + 0.2} if status.completed else {"fitness": None}
    outcome = Outcome(number, status, loss=TUNED, **{**usual, **changes})
    return outcome, Candidate(number, PROPOSED, generation=2, parents=(1, 2), overrides={"lr": 0.3})


def put(ledger: Ledger, pair: tuple[Outcome, Candidate], chunk: str = "c", lr: float = 0.01) -> None:
    ledger.record(*pair, chunk=chunk, lr=lr)


def test_outcomes_of_every_status_come_back_equal_in_another_session(either: Home) -> None:
    details = {"metrics": {"last_step": 0.31, "best_step": 240}, "rungs": (0.7, 1 / 3), "steps": 612.5,
               "seconds": 0.125, "source_id": 1, "message": 'über "quotes"\n'}  # fmt: skip
    pairs = [one(i, status, **details) for i, status in enumerate(Status)]
    with either.ledger() as ledger:
        for pair in pairs:
            put(ledger, pair)
        assert ledger.outcomes() == {o.id: o for o, _ in pairs}
    with either.ledger() as ledger:
        assert ledger.outcomes() == {o.id: o for o, _ in pairs}
        assert list(ledger.outcomes()) == list(range(len(Status)))


def test_a_trial_says_in_optunas_words_what_became_of_the_candidate(either: Home) -> None:
    with either.ledger() as ledger:
        for i, status in enumerate(Status):
            put(
                ledger,
                one(i, status, rungs=(0.7, 0.5, float("inf")), message="why"),
                "generation-2/stage-0/1-5",
            )
    trials = either.study().trials
    assert {Status(t.user_attrs["status"]): t.state for t in trials} == {
        Status.EVALUATED: TrialState.COMPLETE,
        Status.CACHED: TrialState.COMPLETE,
        Status.PRUNED: TrialState.PRUNED,
        Status.REJECTED: TrialState.PRUNED,
        Status.DIVERGED: TrialState.PRUNED,
        Status.TIMED_OUT: TrialState.PRUNED,
        Status.CRASHED: TrialState.PRUNED,
        Status.FAILED: TrialState.FAIL,
    }
    for trial in trials:
        assert trial.value == (0.1 + 0.2 if trial.state is TrialState.COMPLETE else None)
        assert trial.intermediate_values == {0: 0.7, 1: 0.5}
        attributes = trial.user_attrs
        assert json.loads(attributes["loss"]) == TUNED.to_json()
        assert {
            "chunk": "generation-2/stage-0/1-5",
            "expression": "mul(y, log(f))",
            "complexity": 4,
            "generation": 2,
            "parents": [1, 2],
            "key": PROPOSED.key,
            "lr": 0.01,
            "overrides": {"lr": 0.3},
            "source_id": None,
            "message": "why",
            "seconds": 0.0,
        }.items() <= attributes.items()


def test_optuna_reads_the_record_while_the_run_writes_it(either: Home) -> None:
    with either.ledger() as ledger:
        for i in range(3):
            put(ledger, one(i))
            assert [trial.user_attrs["id"] for trial in either.study().trials] == list(range(i + 1))


def test_the_task_loss_is_trial_0(home: Home) -> None:
    with home.ledger() as ledger:
        ledger.record(
            Outcome(0, Status.EVALUATED, 0.5, TASK_LOSS), Candidate(0, TASK_LOSS, -1), chunk="", lr=0.1
        )
        put(ledger, one(1))
        assert (ledger.trial_number(0), ledger.trial_number(1), ledger.trial_number(2)) == (0, 1, None)
    trial = home.study().trials[0]
    assert (trial.number, trial.user_attrs["id"], trial.user_attrs["expression"]) == (0, 0, TASK_LOSS.key)


def test_the_key_on_record_is_the_one_that_was_asked(home: Home) -> None:
    outcome, candidate = one(4, Status.CACHED, source_id=0)
    with home.ledger() as ledger:
        put(ledger, (replace(outcome, loss=TASK_LOSS), candidate))
    with home.ledger() as ledger:
        assert ledger.asked(4) == PROPOSED.key != TASK_LOSS.key
        assert ledger.asked(5) is None
        assert ledger.outcomes()[4].loss == TASK_LOSS


def test_a_failed_candidate_is_recorded_again_and_its_last_trial_counts(either: Home) -> None:
    with either.ledger() as ledger:
        put(ledger, one(3, Status.FAILED))
        put(ledger, one(4))
    with either.ledger() as ledger:
        put(ledger, one(3))
        assert ledger.trial_number(3) == 2
    with either.ledger() as ledger:
        assert ledger.outcomes()[3].status is Status.EVALUATED
        assert ledger.trial_number(3) == 2
    assert len(either.study().trials) == 3


def test_any_other_candidate_is_recorded_once(home: Home) -> None:
    with home.ledger() as ledger:
        put(ledger, one(3, Status.REJECTED))
        with pytest.raises(ValueError, match="candidate 3 is recorded already, as trial 0"):
            put(ledger, one(3))
    assert len(home.study().trials) == 1


def test_numpy_scalars_are_recorded_as_python_numbers(either: Home) -> None:
    outcome = Outcome(
        np.int64(3), Status.EVALUATED, np.float32(0.1), TUNED, {"a": np.float64(0.5)}, (np.float32(0.2),),
        np.float64(7), np.float32(0.5), np.int32(1),
    )  # type: ignore[arg-type]  # fmt: skip
    candidate = Candidate(3, PROPOSED, np.int64(1), (np.int64(1),), {"lr": np.float64(0.3)})  # type: ignore[arg-type,arg-type]
    with either.ledger() as ledger:
        ledger.record(outcome, candidate, chunk="c", lr=np.float64(0.01))
        ledger.chunks.remember("key", {"n": np.int64(2), "x": [np.float32(0.5)]})
    trial = either.study().trials[0]
    assert trial.value == float(np.float32(0.1))
    assert (trial.user_attrs["parents"], trial.user_attrs["overrides"]) == ([1], {"lr": 0.3})
    with either.ledger() as ledger:
        assert ledger.outcomes()[3] == outcome
        assert ledger.chunks.recall("key") == {"n": 2, "x": [0.5]}


def test_chunk_records_are_in_a_file_of_their_own_and_those_of_the_first_version_are_read(
    either: Home,
) -> None:
    with either.ledger() as ledger:
        ledger.chunks.remember("new", {"n": 0.1 + 0.2})
        ledger._opened.study.set_user_attr("chunk:old", json.dumps([1, float("inf")]))
    assert not any("new" in key for key in either.study().user_attrs)
    with either.ledger() as ledger:
        assert ledger.chunks.recall("new") == {"n": 0.1 + 0.2}
        assert ledger.chunks.recall("old") == [1, float("inf")]
    assert either.study().trials == []


def test_each_session_has_a_name_of_its_own(home: Home) -> None:
    with home.ledger() as first:
        pass
    with home.ledger() as second:
        assert first.chunks.session != second.chunks.session


def test_a_batch_records_the_same(home: Home) -> None:
    with home.ledger() as ledger, ledger.batch():
        for i in range(5):
            put(ledger, one(i))
    with home.ledger() as ledger:
        assert list(ledger.outcomes()) == list(range(5))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(fitness=st.floats(allow_nan=False, allow_infinity=False), other=st.floats(allow_nan=False))
def test_floats_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, fitness: float, other: float
) -> None:
    home = Home(tmp_path_factory.mktemp("home") / "run", None)
    with home.ledger() as ledger:
        put(ledger, one(3, fitness=fitness, rungs=(other,), seconds=other), lr=fitness)
        ledger.chunks.remember("key", other)
    with home.ledger() as ledger:
        found = ledger.outcomes()[3]
        recorded = np.array([found.fitness, found.rungs[0], found.seconds, ledger.chunks.recall("key")])
        assert recorded.tobytes() == np.array([fitness, other, other, other]).tobytes()
    assert np.float64(home.study().trials[0].user_attrs["lr"]).tobytes() == np.float64(fitness).tobytes()


def test_an_unreadable_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "run", None)
    with home.ledger() as ledger:
        put(ledger, one(3))
    journal = tmp_path / "run" / "journal.log"
    first_version = re.sub(rb',"checksum":"\w+"', b"", journal.read_bytes())
    content = first_version.replace(b'"op_code"', b"op_code", 1)
    journal.write_bytes(content)
    with pytest.raises(ResumeError, match=r"journal\.log:1: "), home.ledger():
        pass
    assert journal.read_bytes() == content


def test_a_full_disk_loses_nothing_and_the_run_goes_on_once_there_is_room(small_disk: Path) -> None:
    home = Home(small_disk / "run", None)
    ballast = small_disk / "ballast"
    recorded = []

    def record_on() -> None:
        for i in range(1000):
            put(ledger, one(i))
            recorded.append(i)

    with home.ledger() as ledger:
        ballast.write_bytes(b"x" * 30_000)
        with pytest.raises(AutolossError, match=r"journal\.log: cannot be written: the disk is full"):
            record_on()
        assert recorded
        ballast.unlink()
        put(ledger, one(len(recorded)))
    with home.ledger() as ledger:
        assert list(ledger.outcomes()) == [*recorded, len(recorded)]


def write_until_killed(path: Path, after: float = 0.0, torn_at: int = -1) -> int:
    """Let a real process write trials until it is killed; the number of trials it was told are recorded."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path), str(torn_at)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    if torn_at < 0:
        assert process.stdout.readline() == "0\n"
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
    told = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == -signal.SIGKILL
    return len(told) + (torn_at < 0)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("torn_at", [-1, 0, 7])
def test_a_killed_run_loses_nothing_that_it_was_told_is_recorded(tmp_path: Path, torn_at: int) -> None:
    path = tmp_path / "run"
    with RunDirectory.create("mine", path) as directory:
        directory.recipe.touch()
    told = write_until_killed(path, random.Random(torn_at).uniform(0.05, 0.3), torn_at)
    journal = path / "journal.log"
    assert torn_at < 0 or not journal.read_bytes().endswith(b"\n")
    home = Home(path, None)
    home._started = True
    with home.ledger() as ledger:
        outcomes = ledger.outcomes()
        # The last trial may be recorded without the process having said so.
        assert told <= len(outcomes) <= told + 1
        assert {i: o.fitness for i, o in outcomes.items()} == {i: 1 / (i + 1) for i in range(len(outcomes))}
        assert [ledger.chunks.recall(f"chunk-{i}") for i in range(told)] == [[i] for i in range(told)]
        put(ledger, one(len(outcomes)))
    with home.ledger() as ledger:
        assert len(ledger.outcomes()) == len(outcomes) + 1
    assert journal.with_name("journal.log.torn").exists() == (torn_at >= 0)
