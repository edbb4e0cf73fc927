from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.engines import loss_of
from support.recipes import tiny
from support.runs import with_loss

from automl_loss import AutolossError, RecipeError, run, task_loss
from automl_loss.after.finished_run import FinishedRun


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tiny(), directory=tmp_path_factory.mktemp("finished") / "tiny").directory


def test_a_finished_run_is_read_as_it_was_written(finished: Path, tmp_path: Path) -> None:
    loss = loss_of("square(sub(f, y))", scale=0.3)
    read = FinishedRun.read(with_loss(finished, tmp_path / "copy", loss, "found"))
    assert read.loss == loss
    assert read.returned == "found"
    assert read.name == "copy"
    assert read.problem.kind == "multiclass"
    assert read.recipe.to_data()["task"]["label_noise"] == 0.2
    assert read.result == json.loads((read.directory / "result.json").read_text())


def test_what_is_no_run_directory_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = {"absent": "does not exist", ".": "no recipe.yaml", "file": "is a file"}
    for name, what in places.items():
        with pytest.raises(RecipeError, match=what):
            FinishedRun.read(tmp_path / name)


def test_an_unfinished_run_is_told_how_to_go_on(finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    (copy / "result.json").unlink()
    with pytest.raises(AutolossError, match=r"not finished.*--resume"):
        FinishedRun.read(copy)


def test_a_run_that_returned_the_task_loss_has_nothing_to_lay_beside_it(
    finished: Path, tmp_path: Path
) -> None:
    usual = task_loss(
        FinishedRun.read(with_loss(finished, tmp_path / "a", loss_of("abs(sub(f, y))"), "found")).problem
    )
    with pytest.raises(AutolossError, match="returned the task loss, cross-entropy"):
        FinishedRun.read(with_loss(finished, tmp_path / "b", usual, "task_loss"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("result.json", "{"),
        ("result.json", '{"schema": 2}'),
        ("result.json", '{"schema": 1}'),
        ("best_loss.json", "[]"),
        ("best_loss.json", '{"problem": {"input_shape": [3]}}'),
    ],
)
def test_a_broken_file_is_named(finished: Path, tmp_path: Path, file: str, text: str) -> None:
    copy = with_loss(finished, tmp_path / "copy", loss_of("abs(sub(f, y))"), "found")
    (copy / file).write_text(text)
    with pytest.raises(AutolossError, match=rf"{file}: this file of the run cannot be read"):
        FinishedRun.read(copy)
