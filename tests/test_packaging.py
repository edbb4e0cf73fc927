"""The package as users get it: the wheel and the editable installation, away from the source tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "import sys; from hatchling.build import *; print({hook}(sys.argv[1]))"


class Installation:
    """The package in a folder of its own, run by a Python that sees no other copy of its code.

    `python -S` reads no `.pth` file, so the editable installation that the tests run from is out of sight.
    """

    def __init__(self, folder: Path, *, editable: bool) -> None:
        self.editable = editable
        hook = "build_editable" if editable else "build_wheel"
        built = subprocess.run(
            [sys.executable, "-c", BUILD.format(hook=hook), str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        self.site, self.work = folder / "site", folder / "work"
        self.work.mkdir()
        wheel = folder / built.stdout.split()[-1]
        command = [
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--target",
            str(self.site),
            str(wheel),
        ]
        subprocess.run([sys.executable, "-m", *command], check=True)
        self.files = zipfile.ZipFile(wheel).namelist()
        links = [line for file in self.site.glob("*.pth") for line in file.read_text().splitlines()]
        self._path = [str(self.site), *links, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]

    def python(self, words: Sequence[str]) -> str:
        """What Python prints."""
        done = subprocess.run(
            [sys.executable, "-S", *words],
            cwd=self.work,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(self._path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp(request.param), editable=request.param == "editable")


def test_the_code_that_runs_is_the_installed_one(installation: Installation) -> None:
    file = Path(installation.python(["-c", "import automl_loss; print(automl_loss.__file__)"]).strip())
    home = ROOT if installation.editable else installation.site
    assert file == home / "automl_loss" / "__init__.py"


def test_every_shipped_plugin_is_found_and_loads(installation: Installation) -> None:
    listed = json.loads(installation.python(["-m", "automl_loss", "plugins", "list", "--json"]))
    assert {"strategy", "primitive_set", "task", "evaluator", "model", "executor"} == {
        plugin["kind"] for plugin in listed if plugin["package"] == "automl-loss"
    }
    assert "All is in order." in installation.python(["-m", "automl_loss", "doctor"])


def test_the_first_command_of_the_readme_gets_as_far_as_training(installation: Installation) -> None:
    plan = installation.python(["-m", "automl_loss", "run", "quickstart", "--dry-run", "--json"])
    assert json.loads(plan)["recipe"]["name"] == "quickstart"


def test_the_console_script_is_the_program(installation: Installation) -> None:
    points = next(installation.site.glob("automl_loss-*.dist-info")) / "entry_points.txt"
    assert "autoloss = automl_loss.cli:main" in points.read_text().splitlines()


def test_the_wheel_has_types_licence_recipes_and_no_tests(installation: Installation) -> None:
    if installation.editable:
        pytest.skip("an editable installation has no code of its own")
    files = set(installation.files)
    assert {"automl_loss/py.typed", "automl_loss/recipes/quickstart.yaml", "autoloss_gp/py.typed"} <= files
    assert any(file.endswith("dist-info/licenses/LICENSE") for file in files)
    sources = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("automl_loss/**/*.py")}
    sources |= {path.relative_to(ROOT / "plugins").as_posix() for path in ROOT.glob("plugins/**/*.py")}
    assert {file for file in files if file.endswith(".py")} == sources
