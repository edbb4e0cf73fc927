"""The example of a third-party package: its plugins as classes, and as somebody would install and use them."""

from __future__ import annotations

import ast
import importlib
import json
import math
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from automl_loss.testing import check_plugin

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
NAMES = ("smooth", "ageing", "friedman", "calibrated")


def plugin(folder: Path, name: str) -> type[Any]:
    """The class that an entry point of the example names."""
    groups = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]
    (target,) = [points[name] for points in groups.values() if name in points]
    module, _, attribute = target.partition(":")
    found: type[Any] = getattr(importlib.import_module(module), attribute)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_plugin_keeps_every_law(name: str, extras: Path) -> None:
    assert [str(finding) for finding in check_plugin(plugin(extras, name))] == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ageing", {"population": 3, "sample": 2, "children": 2, "cycles": 12}),
        ("friedman", {"function": 2, "degrees": 1.5}),
        ("friedman", {"function": 3, "noise": 0.0}),
        ("calibrated", {"bins": 3}),
    ],
)
def test_every_plugin_keeps_every_law_under_other_options(
    name: str, options: dict[str, Any], extras: Path
) -> None:
    assert [str(finding) for finding in check_plugin(plugin(extras, name), options)] == []


def imports(file: Path) -> Iterator[str]:
    """Names of the modules that a file imports from."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_the_package_uses_public_names_alone(extras: Path) -> None:
    files = [*extras.glob("autoloss_extras/*.py"), *extras.glob("tests/*.py")]
    used = {name for file in files for name in imports(file)}
    assert {n for n in used if n.startswith("automl_loss")} == {"automl_loss", "automl_loss.testing"}
    assert {n for n in used if n.startswith("autoloss_") and not n.startswith("autoloss_extras")} == set()


class Installation:
    """A fresh virtual environment with the wheels of automl-loss and of the example; no network is used.

    The dependencies are those of the Python that runs the tests. Its site directory comes last, as a mere path: its own
    `.pth` files are not read, so the editable installation that the tests run from is out of sight.
    """

    def __init__(self, folder: Path, *projects: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        venv.create(folder / "venv", with_pip=False)
        self._bin = folder / "venv" / "bin"
        for project in projects:
            # Its build backend is at hand, so building needs no environment of its own.
            built = subprocess.run(
                [sys.executable, "-c", BUILD, str(folder)],
                cwd=project,
                capture_output=True,
                text=True,
                check=True,
            )
            command = [sys.executable, "-m", "pip", "--python", str(self._bin / "python"), "install", "-q"]
            wheel = folder / built.stdout.split()[-1]
            subprocess.run([*command, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        (site / "zz-dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, program: str, *words: str, folder: Path | None = None) -> str:
        """What a program of the environment prints."""
        clean = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "AUTOLOSS"))
        }
        done = subprocess.run(
            [str(self._bin / program), *words],
            cwd=folder or self.work,
            env={**clean, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def autoloss(self, *words: str) -> Any:
        """What the console script prints as JSON."""
        return json.loads(self.run("autoloss", *words, "--json"))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, extras: Path) -> Installation:
    return Installation(tmp_path_factory.mktemp("installed"), ROOT, extras)


@pytest.mark.slow
def test_both_packages_are_listed_from_where_they_were_installed(installation: Installation) -> None:
    listed = installation.autoloss("plugins", "list")
    of_extras = {entry["name"]: entry["kind"] for entry in listed if entry["package"] == "autoloss-extras"}
    assert of_extras == {
        "smooth": "primitive_set",
        "ageing": "strategy",
        "friedman": "task",
        "calibrated": "evaluator",
    }
    assert "evomal" in {entry["name"] for entry in listed if entry["package"] == "automl-loss"}
    shown = installation.run(
        "python", "-c", "import automl_loss, autoloss_extras as e; print(automl_loss.__file__, e.__file__)"
    )
    assert all(Path(file).is_relative_to(installation.work.parent / "venv") for file in shown.split())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_command_finds_nothing_against_it(name: str, installation: Installation) -> None:
    (report,) = installation.autoloss("plugins", "check", name)
    assert report["findings"] == []
    assert len(report["laws"]) > 10


@pytest.mark.slow
def test_the_package_s_own_tests_pass(installation: Installation, extras: Path, tmp_path: Path) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(extras / "tests")]
    assert " passed" in installation.run("python", "-B", *words, folder=tmp_path)


def settings(**changes: str) -> list[str]:
    """The example's recipe made so small that it takes seconds."""
    small = {
        "compare.seeds": "2",
        "compare.budget.candidates": "5",
        "compare.workers": "1",
        "training.steps": "30",
        "training.lr": "0.05",
        "finalists.count": "1",
        "finalists.steps": "30",
        "finalists.lr_factors": "[1]",
        "retraining.seeds": "2",
        "retraining.steps": "30",
    }
    return [word for key, value in (small | changes).items() for word in ("-s", f"{key}={value}")]


def ledger(folder: Path) -> list[FrozenTrial]:
    """The trials of a run that were trained in full."""
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.load_study(study_name=None, storage=storage)
    return [trial for trial in study.trials if trial.state is TrialState.COMPLETE]


@pytest.mark.slow
@pytest.mark.timeout(1200)  # half a minute, but on a machine that others keep busy
def test_ageing_is_compared_with_evomal_on_the_package_s_own_task(
    installation: Installation, extras: Path
) -> None:
    recipe = str(extras / "compare.yaml")
    plan = installation.autoloss("compare", recipe, "--dry-run")
    assert plan["recipe"]["compare"]["seeds"] == 10
    assert len(plan["cells"]) == 10 * 2 * 3
    entries = "[{name: evomal, population: 4, generations: 5}, {name: ageing, population: 3, children: 2}]"
    tasks = "[{name: friedman, train: 100, validation: 60, test: 100}]"
    words = settings(**{"compare.strategies": entries, "compare.tasks": tasks})
    data = installation.autoloss("compare", recipe, "-o", "comparison", *words)
    folder = installation.work / "comparison"
    assert json.loads((folder / "comparison.json").read_text()) == data
    assert (data["control"], data["strategies"]) == ("evomal", ["evomal", "ageing"])
    found = {(cell["strategy"], cell["seed"]): cell for cell in data["cells"]}
    assert set(found) == {(strategy, seed) for strategy in ("evomal", "ageing") for seed in (0, 1)}
    for cell in found.values():
        assert (cell["status"], cell["message"]) == ("done", "")
        assert 0 < cell["evaluated"] <= 5
        assert math.isfinite(cell["test"])
    # One unit is one split and one task loss, whatever the strategy; another is another.
    assert (
        found["evomal", 0]["task_loss"] == found["ageing", 0]["task_loss"] != found["ageing", 1]["task_loss"]
    )
    assert [row["verdict"] for row in data["primary"]] == ["too few units"]
    trained = [trial.user_attrs for trial in ledger(folder / "cells" / "friedman--mlp--ageing--0")]
    assert all({"complexity", "bias", "slope"} <= set(each["metrics"]) for each in trained)
    assert any(each["parents"] for each in trained)
