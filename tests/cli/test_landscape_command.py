"""`autoloss landscape`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.recipes import tiny

from automl_loss import run
from automl_loss.cli import main

SMALL = ["--grid", "5", "--seeds", "1", "--directions", "2", "--rows", "30"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landscape_command")
    recipe = tiny(
        strategy={"name": "handcrafted", "losses": ["mae"]},
        task={"name": "diabetes", "outliers": 0.3, "metric": "mae"},
        model={"name": "mlp", "hidden": [5]},
    )
    return run(recipe, directory=folder / "run").directory


def test_it_draws_and_says_how_flat_each_minimum_is(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads((directory / "result.json").read_text())["test"]["returned"] != "task_loss"
    assert main(["landscape", str(directory), *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    drawn = [str(directory / "landscape" / f"{name}.png") for name in ("surfaces", "flatness")]
    assert lines[-3:] == [*drawn, str(directory / "report.html")]
    page = (directory / "report.html").read_text(encoding="utf-8")
    assert all(f'id="{name}"' in page for name in ("surfaces", "flatness"))
    assert "<image" not in page
    data = json.loads((directory / "landscape" / "landscape.json").read_text())
    mean = data["networks"]["task_loss"]["flatness"]["validation_task_loss"]["mean"]
    assert any(line.startswith(f"  mse: {mean:+.4f} ± 0.0000") for line in lines)
    assert main(["landscape", str(directory), *SMALL, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["networks"] == data["networks"]


def test_mistakes_are_explained(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["landscape", str(tmp_path)]) == 2
    assert "this is no run directory" in capsys.readouterr().err
    assert main(["landscape", str(directory), "--grid", "1"]) == 2
    assert "grid" in capsys.readouterr().err
