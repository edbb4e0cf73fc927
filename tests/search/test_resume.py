"""A run that is stopped at any point and resumed equals one that was never stopped, bit for bit."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from automl_loss import run
from automl_loss.errors import AutolossError, Interrupted, ResumeError
from automl_loss.final.result import Result

# The tests may run as a background job, whose children ignore Ctrl-C unless they say otherwise.
SCRIPT = """
import json, signal, sys
from automl_loss import run
from automl_loss.errors import AutolossError
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run(json.loads(sys.argv[1]), directory=sys.argv[2])
    except AutolossError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
"""


def recipe(**changes: Any) -> dict[str, Any]:
    return {
        "name": "tiny",
        "task": {"name": "digits", "label_noise": 0.4},
        "model": {"name": "mlp", "hidden": [8]},
        "strategy": {"name": "evomal", "population": 6, "generations": 3},
        "training": {"steps": 30},
        "tuning": {"steps": 5},
        "finalists": {"count": 2, "seeds": 1, "steps": 30, "lr_factors": [1.0, 3.0]},
        "retraining": {"seeds": 2, "steps": 30},
        "executor": {"workers": 1, "chunk": 2},
        **changes,
    }


def trials(directory: Path) -> list[dict[str, Any]]:
    """Every trial as far as it must be equal: all but times."""
    storage = JournalStorage(JournalFileBackend(str(directory / "journal.log")))
    return [
        {
            "state": trial.state.name,
            "value": None if trial.value is None else trial.value.hex(),
            "rungs": trial.intermediate_values,
            **{key: value for key, value in trial.user_attrs.items() if key != "seconds"},
        }
        for trial in optuna.load_study(study_name="tiny", storage=storage).get_trials()
    ]


def result(directory: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((directory / "result.json").read_text())
    del data["phases"]
    for key in ("seconds", "workers", "profile", "overhead"):
        del data["search"][key]
    return data


def leaderboard(directory: Path) -> list[dict[str, str]]:
    with (directory / "leaderboard.csv").open(newline="", encoding="utf-8") as stream:
        return [{**row, "seconds": ""} for row in csv.DictReader(stream)]


def assert_equal_runs(one: Path, other: Path) -> None:
    for mine, theirs in zip(trials(one), trials(other), strict=True):
        assert mine == theirs
    assert result(one) == result(other)
    assert leaderboard(one) == leaderboard(other)
    for name in ("best_loss.json", "best_loss.py"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def lines(directory: Path) -> int:
    file = directory / "journal.log"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def recorded_trials(directory: Path) -> int:
    file = directory / "journal.log"
    return file.read_bytes().count(b'{"op_code":4,') if file.exists() else 0


def _wait_until_empty(group: int) -> None:
    """Wait until no process of a group is left."""
    deadline = time.monotonic() + 30
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, "processes are left 30 seconds after their run"
        time.sleep(0.05)


def stopped(
    directory: Path, by: signal.Signals, when: Callable[[Path], bool], **changes: Any
) -> tuple[int, str]:
    """Start a run in its own process group and signal it once `when` holds; its exit code and its errors."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(recipe(**changes)), str(directory)],
        stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment,
    )  # fmt: skip
    try:
        while not when(directory):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.002)
        os.killpg(process.pid, by)
        _, errors = process.communicate(timeout=60)
        _wait_until_empty(process.pid)
    finally:
        process.kill()
        process.wait()
    return process.returncode, errors


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that was not stopped; it must not be changed."""
    directory = tmp_path_factory.mktemp("whole") / "tiny"
    run(recipe(), directory=directory)
    return directory


def resume(directory: Path, **changes: Any) -> Result:
    return run(recipe(**changes), directory=directory, resume=True)


def test_a_run_killed_in_mid_search_and_resumed_equals_one_that_was_not(whole: Path, tmp_path: Path) -> None:
    directory = tmp_path / "tiny"
    code, _ = stopped(directory, signal.SIGKILL, lambda d: recorded_trials(d) >= 7)
    assert code == -signal.SIGKILL
    assert 7 <= recorded_trials(directory) < recorded_trials(whole)
    assert not (directory / "result.json").exists()
    resume(directory)
    assert_equal_runs(directory, whole)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("point", [1, 12, 22, 60, 100])
def test_a_run_killed_anywhere_and_resumed_equals_one_that_was_not(
    whole: Path, tmp_path: Path, point: int, workers: int
) -> None:
    directory = tmp_path / "tiny"
    options = {"workers": workers, "chunk": 2}
    code, _ = stopped(directory, signal.SIGKILL, lambda d: lines(d) >= point, executor=options)
    assert code == -signal.SIGKILL
    assert not (directory / "result.json").exists()
    resume(directory, executor=options)
    assert_equal_runs(directory, whole)


def cut_off(whole: Path, directory: Path, records: int, torn: int = 0) -> None:
    """Make the directory of a run that was killed when so many records and bytes of the next were written."""
    directory.mkdir()
    shutil.copy(whole / "recipe.yaml", directory)
    written = (whole / "journal.log").read_bytes().splitlines(keepends=True)
    (directory / "journal.log").write_bytes(b"".join(written[:records]) + written[records][:torn])


@pytest.mark.parametrize(
    ("share", "torn"),
    [(0.3, 9), pytest.param(0.15, 0, marks=pytest.mark.slow), pytest.param(0.8, 40, marks=pytest.mark.slow)],
)
def test_a_journal_cut_off_at_any_byte_is_continued_to_the_same_result(
    whole: Path, tmp_path: Path, share: float, torn: int
) -> None:
    directory = tmp_path / "tiny"
    cut_off(whole, directory, int(share * lines(whole)), torn)
    resume(directory)
    assert_equal_runs(directory, whole)


RACED: dict[str, Any] = {
    "strategy": {"name": "evomal", "population": 8, "generations": 4},
    "training": {"steps": 30, "lr": 0.1, "rungs": [15, 22], "top_seeds": 1},
}


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run with racing that was not stopped; it must not be changed."""
    directory = tmp_path_factory.mktemp("raced") / "tiny"
    messages: list[str] = []
    found = run(recipe(**RACED), directory=directory, callback=lambda p: messages.append(p.message))
    assert found.data["search"]["pruned"] > 0
    assert [text[:7] for text in messages if text.startswith("racing")] == ["racing:"] * 2
    assert not (directory / "paused").exists()
    return directory


@pytest.mark.parametrize(
    ("share", "workers"),
    [
        (0.6, 2),
        pytest.param(0.45, 1, marks=pytest.mark.slow),
        *(pytest.param(s / 20, 1, marks=pytest.mark.slow) for s in range(3, 18, 4)),
    ],
)
def test_a_run_with_racing_that_is_cut_off_anywhere_is_continued_to_the_same_result(
    raced: Path, tmp_path: Path, share: float, workers: int
) -> None:
    directory = tmp_path / "tiny"
    cut_off(raced, directory, int(share * lines(raced)))
    resume(directory, **RACED, executor={"workers": workers, "chunk": 2})
    assert_equal_runs(directory, raced)


def test_the_trials_of_a_raced_run_are_pruned_ones_with_their_rungs_and_rank_after_whole_ones(
    raced: Path,
) -> None:
    pruned = [trial for trial in trials(raced) if trial["status"] == "pruned" and trial["source_id"] is None]
    assert pruned
    for trial in pruned:
        assert (trial["state"], trial["value"]) == ("PRUNED", None)
        assert len(trial["rungs"]) in (1, 2)
        assert trial["cost"] < 1
    ranked = [row["status"] for row in leaderboard(raced)]
    assert max(i for i, status in enumerate(ranked) if status == "evaluated") < ranked.index("pruned")


def test_a_finished_run_that_is_resumed_trains_nothing_and_gives_the_same_result(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from automl_loss.engine.engine import Engine

    directory = tmp_path / "tiny"
    shutil.copytree(whole, directory)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a finished run was trained again")

    monkeypatch.setattr(Engine, "train", refuse)
    monkeypatch.setattr(Engine, "tune", refuse)
    resume(directory)
    assert_equal_runs(directory, whole)


def test_the_number_of_workers_changes_no_bit_and_may_change_on_resume(whole: Path, tmp_path: Path) -> None:
    directory = tmp_path / "tiny"
    cut_off(whole, directory, int(0.2 * lines(whole)))
    resume(directory, executor={"workers": 2, "chunk": 2})
    assert_equal_runs(directory, whole)


def test_a_search_that_spent_its_budget_goes_on_when_it_is_raised_on_resume(tmp_path: Path) -> None:
    directory = tmp_path / "tiny"
    first = run(recipe(budget={"candidates": 3}), directory=directory)
    before = trials(directory)
    assert first.data["search"]["ended"] == "the budget of 3 candidates is spent"
    second = resume(directory, budget={"candidates": 6})
    assert trials(directory)[: len(before)] == before
    assert second.data["search"]["candidates"] > first.data["search"]["candidates"]
    assert "candidates: 6" in (directory / "recipe.yaml").read_text()
    # Time counts in both sessions.
    for stage in ("training", "tuning"):
        assert second.data["search"]["profile"][stage] > first.data["search"]["profile"][stage]
    assert second.data["search"]["seconds"] > first.data["search"]["seconds"]
    assert all(second.data["phases"][name] > took for name, took in first.data["phases"].items())


def test_other_training_is_refused_on_resume_with_the_keys_name_and_nothing_is_touched(
    whole: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "tiny"
    shutil.copytree(whole, directory)
    before = {file.name: file.read_bytes() for file in directory.iterdir() if file.is_file()}
    with pytest.raises(ResumeError, match=r"differs in training\.steps\.") as caught:
        resume(directory, training={"steps": 40})
    assert caught.value.exit_code == 5
    del before[".lock"]
    assert {name: (directory / name).read_bytes() for name in before} == before


def test_an_interrupted_search_writes_what_it_found_and_can_be_resumed(whole: Path, tmp_path: Path) -> None:
    directory = tmp_path / "tiny"
    code, errors = stopped(directory, signal.SIGINT, lambda d: recorded_trials(d) >= 7)
    assert code == Interrupted.exit_code == 130
    assert "Traceback" not in errors
    assert f"autoloss run {directory / 'recipe.yaml'} -o {directory} --resume" in errors
    found = leaderboard(directory)
    assert {"0"} < {row["id"] for row in found}
    assert "def forward" in (directory / "best_loss.py").read_text()
    assert not (directory / "result.json").exists()
    resume(directory)
    assert_equal_runs(directory, whole)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.05, 0.9))])
def test_ctrl_c_reaches_worker_processes_too_and_leaves_none(
    whole: Path, tmp_path: Path, share: float
) -> None:
    directory = tmp_path / "tiny"
    options = {"workers": 2, "chunk": 2}
    point = int(share * lines(whole))
    code, errors = stopped(directory, signal.SIGINT, lambda d: lines(d) >= point, executor=options)
    assert (code, "Traceback" in errors) == (130, False), errors
    resume(directory, executor=options)
    assert_equal_runs(directory, whole)


def test_two_runs_do_not_share_a_directory(whole: Path) -> None:
    from automl_loss.record.run_directory import RunDirectory

    with RunDirectory.open(whole), pytest.raises(AutolossError, match=f"process {os.getpid()} on"):
        resume(whole)
