from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automl_loss.errors import AutolossError, RecipeError, ResumeError
from automl_loss.record.run_directory import RunDirectory

HOLD = """
import sys, time
from pathlib import Path
from automl_loss.record.run_directory import RunDirectory
with RunDirectory.open(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """The directory of a run that was started and has ended."""
    with RunDirectory.create("mine", base=tmp_path) as directory:
        directory.recipe.write_text("task: {name: digits}\n")
    return directory.path


@pytest.fixture
def hold(started: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a process that holds the directory."""
    processes = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(started)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_second_run_of_the_name_gets_a_number_and_overwrites_nothing(tmp_path: Path) -> None:
    for expected in ("mine", "mine-2", "mine-3"):
        with RunDirectory.create("mine", base=tmp_path / "runs") as directory:
            assert directory.path == tmp_path / "runs" / expected
            assert not directory.resumed
            directory.result.write_text(expected)
    assert (tmp_path / "runs" / "mine" / "result.json").read_text() == "mine"


def test_runs_lie_in_runs_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with RunDirectory.create("mine") as directory:
        assert directory.path == Path("runs/mine")
    assert (tmp_path / "runs" / "mine").is_dir()


@pytest.mark.parametrize("exists", [True, False])
def test_a_named_directory_may_be_absent_or_empty(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "deep" / "down"
    if exists:
        path.mkdir(parents=True)
    with RunDirectory.create("mine", path) as directory:
        assert directory.path == path
    assert path.is_dir()


def test_a_named_directory_with_anything_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RecipeError, match=r"not empty \(thesis\.tex\).*--resume"):
        RunDirectory.create("mine", tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_file_in_the_way_is_explained(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AutolossError, match="is a file where a folder is needed"):
        RunDirectory.create("mine", tmp_path / path)
    with pytest.raises(AutolossError, match="is a file where a folder is needed"):
        RunDirectory.create("mine", base=tmp_path / path)


def test_a_folder_that_may_not_be_written_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(AutolossError, match=r"mine: cannot be written: permission denied.*-o DIR"):
        RunDirectory.create("mine", base=tmp_path)


def test_only_the_directory_of_a_run_can_be_resumed(tmp_path: Path, started: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name, words in (("empty", "no run to resume"), ("absent", "does not exist"), ("file", "is a file")):
        with pytest.raises(ResumeError, match=words):
            RunDirectory.open(tmp_path / name)
    with RunDirectory.open(started) as directory:
        assert directory.resumed


def test_a_second_process_is_refused_with_the_first_ones_id(
    started: Path, hold: Callable[[], subprocess.Popen[str]]
) -> None:
    process = hold()
    with pytest.raises(ResumeError, match=f"process {process.pid} on {socket.gethostname()} is at work"):
        RunDirectory.open(started)
    process.terminate()
    process.wait()
    RunDirectory.open(started).close()


def test_two_runs_in_one_process_do_not_share_a_directory(started: Path) -> None:
    with RunDirectory.open(started), pytest.raises(ResumeError, match=f"process {os.getpid()} on"):
        RunDirectory.open(started)
    RunDirectory.open(started).close()


def test_a_killed_process_is_no_obstacle(started: Path, hold: Callable[[], subprocess.Popen[str]]) -> None:
    process = hold()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert str(process.pid) in (started / ".lock").read_text()
    with RunDirectory.open(started):
        assert str(os.getpid()) in (started / ".lock").read_text()


def test_a_lock_file_without_a_name_in_it_still_refuses(started: Path) -> None:
    with RunDirectory.open(started):
        (started / ".lock").write_text("")
        with pytest.raises(ResumeError, match="another process is at work"):
            RunDirectory.open(started)


def test_an_error_in_the_run_gives_the_directory_back(started: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunDirectory.open(started):
        _ = 1 / 0
    RunDirectory.open(started).close()


def test_every_file_of_a_run_lies_in_its_directory(started: Path) -> None:
    with RunDirectory.open(started) as d:
        files = [
            d.recipe,
            d.journal,
            d.leaderboard,
            d.result,
            d.best_loss_json,
            d.best_loss_py,
            d.report,
            d.figures,
        ]
    assert {file.parent for file in files} == {started}
    assert [file.name for file in files] == [
        "recipe.yaml", "journal.log", "leaderboard.csv", "result.json", "best_loss.json", "best_loss.py",
        "report.html", "figures",
    ]  # fmt: skip


def test_a_directory_whose_run_was_killed_in_its_very_first_write_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.mkdir()
    for name in (".lock", ".recipe.yaml.4711.tmp"):
        (path / name).write_text("half")
    with RunDirectory.create("mine", path) as directory:
        assert not directory.resumed
    assert [entry.name for entry in path.iterdir()] in ([".lock"], [])
    (path / ".recipe.yaml.4712.tmp").write_text("half")
    with RunDirectory.open(path) as directory:
        assert not directory.resumed
    assert not (path / ".recipe.yaml.4712.tmp").exists()


def test_half_written_files_of_killed_processes_are_removed_from_a_run_that_goes_on(started: Path) -> None:
    (started / ".result.json.4711.tmp").write_text("half")
    (started / ".my notes.tmp").write_text("mine")
    with RunDirectory.open(started) as directory:
        assert directory.resumed
    assert not (started / ".result.json.4711.tmp").exists()
    assert (started / ".my notes.tmp").exists()


def test_a_directory_with_a_strangers_file_is_not_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ResumeError, match=r"has no recipe\.yaml"):
        RunDirectory.open(tmp_path)
