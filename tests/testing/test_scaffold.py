from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from automl_loss import RecipeError
from automl_loss.cli import main
from automl_loss.plugins.discovery import GROUPS
from automl_loss.testing.scaffold import write_package

QUICK = [
    "training.steps=30", "budget.candidates=6", "tuning.steps=5", "training.lr=0.1", "finalists.steps=30",
    "retraining.steps=30", "finalists.handcrafted=0",
]  # fmt: skip
SECTIONS = {"primitive_set": "primitives"}


class Site:
    """New packages of every kind, installed into a folder of its own from their files alone; no index is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages = {kind: folder / f"package-{kind}" for kind in GROUPS}
        for kind, package in self.packages.items():
            write_package(kind, self.name(kind), package)
        words = ["install", "-q", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
        command = [sys.executable, "-m", "pip", *words, *map(str, self.packages.values())]
        subprocess.run(command, check=True, capture_output=True)

    @staticmethod
    def name(kind: str) -> str:
        return f"my-{kind.replace('_', '-')}"

    def python(self, *words: str) -> str:
        """What Python prints, with the packages installed."""
        environment = {
            "PYTHONPATH": str(self.folder / "site"),
            "PATH": os.environ["PATH"],  # loky looks for pgrep there
            "OMP_NUM_THREADS": "1",
            "AUTOLOSS_REPORT": "0",
            "HOME": str(self.folder),
        }
        command = [sys.executable, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, recipe: Path, name: str, *overrides: str) -> dict[str, Any]:
        """The result of a quick run."""
        changes = [word for text in (*QUICK, *overrides) for word in ("-s", text)]
        words = ["-m", "automl_loss", "run", str(recipe), "-o", name, "--json", *changes]
        data: dict[str, Any] = json.loads(self.python(*words))
        return data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("scaffold"))


def test_the_tests_of_new_packages_of_all_kinds_pass_untouched(site: Site) -> None:
    tests = [f"{package.name}/tests" for package in site.packages.values()]
    words = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={site.folder}", *tests]
    assert " passed" in site.python("-m", "pytest", *words)


def test_new_packages_of_all_kinds_work_together_in_one_run(site: Site) -> None:
    task = yaml.safe_load((site.packages["task"] / "recipe.yaml").read_text())["task"]
    sections = {SECTIONS.get(kind, kind): {"name": site.name(kind)} for kind in GROUPS}
    recipe = site.folder / "all.yaml"
    recipe.write_text(yaml.safe_dump({**sections, "task": task}))
    data = site.run(recipe, "together")
    assert {f"autoloss-{site.name(kind)}" for kind in GROUPS} <= data["versions"].keys()


def test_the_recipe_of_each_new_package_is_valid(site: Site) -> None:
    recipes = [f"{package.name}/recipe.yaml" for package in site.packages.values()]
    program = "import sys\nfrom automl_loss import load_recipe\nfor path in sys.argv[1:]: print(load_recipe(path).name)"
    assert len(site.python("-c", program, *recipes).split()) == len(GROUPS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(GROUPS))
def test_a_new_package_keeps_every_law_and_runs_untouched(kind: Any, site: Site) -> None:
    checked = json.loads(
        site.python("-m", "automl_loss", "plugins", "check", kind, site.name(kind), "--json")
    )
    assert checked[0]["findings"] == []
    workers = [] if kind == "executor" else ["executor.workers=1"]
    data = site.run(site.packages[kind] / "recipe.yaml", f"run-{kind}", *workers)
    assert f"autoloss-{site.name(kind)}" in data["versions"]


@pytest.mark.parametrize("kind", list(GROUPS))
def test_the_class_is_short(kind: Any, tmp_path: Path) -> None:
    files = write_package(kind, "mine", tmp_path / "package")
    tree = ast.parse(next(file for file in files if file.name == "__init__.py").read_text())
    (cls,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert cls.end_lineno is not None
    assert cls.end_lineno - cls.lineno < 40
    assert cls.name == "Mine"


@pytest.mark.parametrize("name", ["Mine", "a b", "-x", "class", "1st", "../up", ""])
def test_a_name_that_will_not_do_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="will not do"):
        write_package("task", name, tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "model", "narrow"]) == 0
    assert "autoloss run autoloss-narrow/recipe.yaml" in capsys.readouterr().out
    before = Path("autoloss-narrow/README.md").read_text()
    assert main(["plugins", "new", "model", "narrow"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert Path("autoloss-narrow/README.md").read_text() == before
    assert main(["plugins", "new", "modell", "narrow"]) == 2
