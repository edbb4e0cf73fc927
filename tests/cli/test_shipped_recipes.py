"""What `autoloss run NAME` does with the recipes that come with the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from automl_loss import load_recipe
from automl_loss.cli import main
from automl_loss.recipe import shipped_recipes

NAMES = [recipe.name for recipe in shipped_recipes() if not recipe.is_comparison]
COMPARISONS = [recipe.name for recipe in shipped_recipes() if recipe.is_comparison]
LITTLE = [
    "strategy.population=4",
    "strategy.generations=1",
    "tuning.steps=3",
    "training.steps=5",
    "training.lr=0.01",
    "budget.candidates=3",
    "finalists={count: 1, seeds: 1, steps: 5, lr_factors: [1.0]}",
    "retraining={seeds: 2, steps: 5}",
    "filters={rejection: false}",
    "executor.workers=1",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_finds_no_fault_with_or_without_the_data(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", name, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["parameters"] > 0
    assert plan["steps"] > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_dry_run_of_a_comparison_counts_its_cells(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", name, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert len(plan["cells"]) % 10 == 0
    assert all(steps > 0 for steps in plan["steps"].values())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "small/fashion-lenet5" else ())
        for name in NAMES
        if name.startswith("small/")
    ],
)
def test_small_recipes_run(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if (
        load_recipe(name).task.name == "fashion-mnist"
        and not Path("/usr/share/datasets/fashion-mnist").is_dir()
    ):
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    settings = [word for value in LITTLE for word in ("-s", value)]
    assert main(["run", name, "-o", str(tmp_path / "run"), "--json", *settings]) == 0
    assert json.loads(capsys.readouterr().out)["test"]["verdict"]


def test_a_dry_run_without_data_says_where_they_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "paper/mnist-linear", "-s", f"task.folder={tmp_path / 'nowhere'}"]
    assert main([*words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "network: 7,850 parameters" in out
    assert "note: the data are not there" in out
    assert "nowhere" in out
    assert main(words) == 2
    assert "download: true" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
