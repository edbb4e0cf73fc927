"""The wheel, installed away from the checkout: what a user of `pip install automl-loss` has."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

from automl_loss.plugins import Registry

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Installation:
    """A virtual environment with the wheel in it, and the dependencies of this one in sight."""

    python: Path
    wheel: Path
    folder: Path

    def run(self, *words: str | Path) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("packaging")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    # Paths in a .pth file are added as they are, and .pth files in them are not read: the dependencies of
    # this environment are in sight, its editable install of the checkout is not.
    (site,) = (venv / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--force-reinstall", "--ignore-installed", str(wheel)],
        check=True,
        capture_output=True,
    )
    return Installation(python, wheel, folder)


def test_the_wheel_runs_without_the_checkout(installed: Installation) -> None:
    program = (
        "import automl_loss, autoloss_gp, sys; print(automl_loss.__file__, autoloss_gp.__file__, *sys.path)"
    )
    text = installed.run(installed.python, "-c", program)
    assert str(ROOT) not in text
    assert text.count(str(installed.folder)) >= 2


def test_every_plugin_of_the_wheel_loads(installed: Installation) -> None:
    program = (
        "from automl_loss.plugins import Registry\n"
        "registry = Registry()\n"
        "for plugin in registry.plugins():\n"
        "    print(plugin.kind, plugin.name, registry.load(plugin.kind, plugin.name).cls.__module__)\n"
    )
    here = [[p.kind, p.name] for p in Registry().plugins() if p.package == "automl-loss"]
    assert len(here) > 10
    lines = installed.run(installed.python, "-c", program).splitlines()
    assert [line.split()[:2] for line in lines] == here


def test_the_command_lists_the_plugins(installed: Installation) -> None:
    text = installed.run(installed.python.with_name("autoloss"), "plugins", "list")
    assert "autoloss_gp.evomal:EvoMAL" in text
    assert text == installed.run(installed.python, "-m", "automl_loss.cli", "plugins", "list")
    assert text == installed.run(installed.python, "-m", "automl_loss", "plugins", "list")


def test_recipes_are_in_the_wheel_and_in_an_editable_install(installed: Installation) -> None:
    program = (
        "from automl_loss.recipe import shipped_recipes\nfor r in shipped_recipes(): print(r.name, r.path)"
    )
    lines = installed.run(installed.python, "-c", program).splitlines()
    recipes = {
        str(file.relative_to(ROOT / "recipes").with_suffix("")) for file in ROOT.glob("recipes/**/*.yaml")
    }
    assert "quickstart" in recipes
    assert {line.split()[0] for line in lines} == recipes
    assert all(str(installed.folder) in line.split()[1] for line in lines)
    here = subprocess.run(
        [sys.executable, "-c", program], cwd=installed.folder, capture_output=True, text=True
    )
    assert {line.split()[0] for line in here.stdout.splitlines()} == recipes


def test_quickstart_can_be_planned_from_the_wheel(installed: Installation) -> None:
    text = installed.run(installed.python.with_name("autoloss"), "run", "quickstart", "--dry-run")
    assert "name: quickstart" in text
    assert "Training-step equivalents" in text


def test_the_wheel_has_the_code_alone_and_all_of_it(installed: Installation) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    code = [*ROOT.glob("automl_loss/**/*.py"), *ROOT.glob("plugins/autoloss_*/**/*.py")]
    expected = {str(file.relative_to(ROOT)).removeprefix("plugins/") for file in code}
    packages = {name.partition("/")[0] for name in expected}
    expected |= {f"automl_loss/{file.relative_to(ROOT)}" for file in ROOT.glob("recipes/**/*.yaml")}
    expected |= {f"{package}/py.typed" for package in packages}
    assert names == expected


def test_the_lock_has_a_version_of_every_dependency_that_the_project_allows() -> None:
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    locked = {canonicalize_name(name): version for name, version in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = list(chain(project["dependencies"], *project["optional-dependencies"].values()))
    assert len(stated) > 20
    for requirement in map(Requirement, stated):
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"
        assert "+" not in version
