"""`autoloss retrain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.engines import loss_of
from support.recipes import tiny
from support.runs import with_loss

from automl_loss import run
from automl_loss.cli import main
from automl_loss.cli.transfer_table import together


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retrain")
    finished = run(tiny(), directory=folder / "tiny").directory
    return with_loss(finished, folder / "run", loss_of("square(sub(f, y))"), "found")


def target(p_value: float, mean: float | None, *, lower_is_better: bool = True) -> dict[str, Any]:
    difference = {"p_value": p_value, "mean": mean, "ci95": [None, None]}
    return {"status": "trained", "test": {"difference": difference, "lower_is_better": lower_is_better}}


def test_the_table_has_a_line_for_every_task_with_every_model(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--task",
        "wine",
        "--task",
        "diabetes",
        "--model",
        "linear",
        "--model",
        "{name: mlp, hidden: [7]}",
    ]
    assert main(["retrain", str(directory), *words]) == 0
    shown = capsys.readouterr().out
    summary = json.loads((directory / "transfer" / "transfer.json").read_text())
    assert len(summary["targets"]) == 4
    lines = shown.splitlines()
    for entry in summary["targets"]:
        learned = entry["test"]["learned"]
        (line,) = [
            line for line in lines
            if line.split()[:1] == [entry["label"]["task"]] and entry["label"]["model"] in line
        ]  # fmt: skip
        assert f"{learned['mean']:.4f} ± {learned['std']:.4f}" in line
        assert f" {entry['metric']} " in line
    assert "corrected for 4 targets by Holm's method" in shown
    assert "target 4 of 4: diabetes, mlp hidden=[7]" in shown
    assert "here they are real numbers, a range it was never tried on" in shown


def test_json_and_quiet_print_nothing_else(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", str(directory), "--task", "wine", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [entry["label"]["task"] for entry in data["targets"]] == ["wine"]
    assert main(["retrain", str(directory), "--task", "wine", "-q"]) == 0
    assert capsys.readouterr().out == f"wine, linear: {data['targets'][0]['verdict']}\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["absent", "--model", "linear"], 2, "this is no run directory: it does not exist"),
        (["DIR"], 2, "there is no target: name at least one by --task or --model"),
        (["DIR", "--task", "wien"], 3, "no task 'wien'. Did you mean 'wine'?"),
        (["DIR", "--task", "{name: diabetes, label_noise: 0.1}"], 2, "needs classes"),
        (["DIR", "--task", "wine", "--model", "lenet5"], 1, "autoloss: model lenet5 takes images"),
        (["DIR", "--model", "linear", "-s", "seed=4"], 2, "transfer keeps the run's seed"),
        (["DIR", "--model", "linear", "--device", "gpu"], 2, "--device: device: expected"),
    ],
)
def test_a_mistake_is_explained_without_a_traceback(
    directory: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert main(["retrain", *(str(directory) if word == "DIR" else word for word in words)]) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("command", ["run", "retrain", "landscape"])
def test_a_gpu_that_is_not_there_is_refused_and_nothing_is_written(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    before = sorted(directory.iterdir())
    words = {
        "run": ["quickstart", "-o", str(tmp_path / "new")],
        "retrain": [str(directory), "--model", "mlp"],
        "landscape": [str(directory)],
    }[command]
    assert main([command, *words, "--device", "cuda"]) == 1
    said = "autoloss: device 'cuda' was asked for, but torch finds no GPU; use `--device cpu`.\n"
    assert capsys.readouterr().err == said
    assert not (tmp_path / "new").exists()
    assert [place for place in sorted(directory.iterdir()) if place.name != "transfer"] == [
        place for place in before if place.name != "transfer"
    ]


def test_what_targets_say_together_is_corrected_for_their_number() -> None:
    alone = together([target(0.04, -0.1)])
    assert alone.startswith("Against the task loss: better on 1, worse on 0, no supported difference on 0 ")
    assert "better on 0, worse on 0, no supported difference on 2" in together([target(0.04, -0.1)] * 2)
    several = [target(0.001, 0.1), target(0.002, 0.1, lower_is_better=False), target(1.0, None)]
    assert "better on 1, worse on 1, no supported difference on 1" in together(several)
    assert together([{"status": "no_gradient", "test": None}]) == "The loss applies to none of the targets."
