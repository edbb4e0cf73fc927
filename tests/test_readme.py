"""The README's examples run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.recipes import tiny

from automl_loss import Problem, SymbolicLoss, parse, run, standard_primitives
from automl_loss.comparison.recipe import load_comparison
from automl_loss.losses import render_module

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SMALL = tiny()


def blocks(heading: str, language: str) -> list[str]:
    """Code blocks of a language under a heading."""
    section = re.split(r"^## ", README, flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(heading)]
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_found_loss_is_used_as_the_readme_says(tmp_path: Path) -> None:
    loss = SymbolicLoss(parse("mul(mul(-1, y), sqrt(f))", standard_primitives()))
    (tmp_path / "best_loss.py").write_text(render_module(loss, Problem.classification((64,), 10)))
    (code,) = blocks("Use the found loss", "python")
    python(code, tmp_path)


def test_the_readmes_plugin_runs_from_its_file(tmp_path: Path) -> None:
    (code,) = blocks("Write a plugin", "python")
    (recipe,) = blocks("Write a plugin", "yaml")
    (tmp_path / "mine.py").write_text(code)
    data = {**SMALL, **yaml.safe_load(recipe)}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    result = run(tmp_path / "recipe.yaml", directory=tmp_path / "run")
    assert result.data["strategy"] == "random-weights"
    assert result.data["search"]["candidates"] == 12
    assert result.data["search"]["evaluated"] > 4


def test_the_readmes_recipe_is_valid_but_for_the_users_own_package(tmp_path: Path) -> None:
    (recipe,) = blocks("Your own model and metric", "yaml")
    head = "from torch import nn\n\n\nclass Net(nn.Linear):\n"
    network = f"{head}    def __init__(self, in_features, num_classes, width):\n"
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "models.py").write_text(
        f"{network}        super().__init__(in_features, num_classes)\n"
    )
    small = {key: value for key, value in SMALL.items() if key not in ("task", "model", "name")}
    data = {
        **small,
        **yaml.safe_load(recipe),
        "strategy": {"name": "evomal", "population": 5, "generations": 1},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(data))
    result = run(tmp_path / "mine.yaml", directory=tmp_path / "run")
    assert result.data["test"]["metric"] == "balanced_error"


def test_the_readmes_comparison_is_one_that_loads(tmp_path: Path) -> None:
    (recipe,) = blocks("Compare methods", "yaml")
    (tmp_path / "mine.yaml").write_text(recipe)
    comparison = load_comparison(tmp_path / "mine.yaml")
    assert len(comparison.cells) == 3 * 2 * 10


@pytest.mark.slow
def test_the_python_example_runs(tmp_path: Path) -> None:
    (code,) = blocks("Python", "python")
    short = '"strategy.population=6", "strategy.generations=2", "training.steps=30", "finalists.steps=30", '
    code = code.replace('overrides=["', f'overrides=[{short}"retraining.steps=30", "')
    assert "cross-entropy" in python(f"if True:\n    {code.replace(chr(10), chr(10) + '    ')}", tmp_path)
