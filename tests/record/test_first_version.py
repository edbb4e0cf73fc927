"""A run directory that the first version wrote stays readable, and can be gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from automl_loss import load_loss, run
from automl_loss.after.finished_run import FinishedRun
from automl_loss.cli import main
from automl_loss.report import write_report

WRITTEN = Path(__file__).parents[1] / "data" / "first-version"
TIMES = ("seconds", "profile", "phases", "overhead", "versions", "name")
REWORDED = ("latex",)
"""What later versions write in other words: the terms of a sum in the order of the expression."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WRITTEN, tmp_path / "run"))


def without_times(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: without_times(value) for key, value in data.items() if key not in (*TIMES, *REWORDED)}
    return data


def test_report_top_export_and_the_loss_itself_are_read(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "square(sub(y, f))" in write_report(directory).read_text(encoding="utf-8").replace("<wbr>", "")
    assert main(["top", str(directory)]) == 0
    assert main(["export", str(directory), "--to", "latex"]) == 0
    assert capsys.readouterr().out
    assert load_loss(directory)(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])).ndim == 0
    finished = FinishedRun.read(directory)
    assert (finished.problem.classes, finished.returned) == (3, "found")


def test_a_finished_run_is_resumed_without_computing_anything_and_gives_the_same_result(
    directory: Path,
) -> None:
    before = json.loads((directory / "result.json").read_text())
    assert before["best"]["latex"] == r"1.001 \left(- 0.9989 f + 0.9965 y\right)^{2}"
    trials = (directory / "journal.log").read_bytes()
    again = run(directory / "recipe.yaml", directory=directory, resume=True)
    data = json.loads(json.dumps(again.data))
    assert [data["search"].pop(newer) for newer in ("timed_out", "crashed")] == [0, 0]
    assert without_times(data) == without_times(before)
    assert again.data["best"]["latex"] == r"1.001 \left(0.9965 y - 0.9989 f\right)^{2}"
    journal = (directory / "journal.log").read_bytes()
    assert journal.startswith(trials)
    assert b'"op_code":4' not in journal[len(trials) :]  # no trial
    lines = (directory / "chunks.log").read_text().splitlines()
    keys = [json.loads(line.partition(" ")[2])["key"] for line in lines]
    assert {key.partition("/")[0] for key in keys} <= {"run", "time", "elapsed"}


@pytest.mark.parametrize("lines", [12, 20, 30])
def test_an_interrupted_run_goes_on_and_keeps_what_was_recorded(directory: Path, lines: int) -> None:
    journal = directory / "journal.log"
    kept = journal.read_bytes().splitlines(keepends=True)[:lines]
    journal.write_bytes(b"".join(kept))
    (directory / "result.json").unlink()
    result = run(directory / "recipe.yaml", directory=directory, resume=True)
    assert journal.read_bytes().startswith(b"".join(kept))
    assert result.data["search"]["candidates"] == 13
    assert len(result.data["test"]["learned"]["values"]) == 2
