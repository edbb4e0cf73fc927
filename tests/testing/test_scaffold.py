from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from automl_loss import RecipeError
from automl_loss.cli import main
from automl_loss.plugins.discovery import GROUPS
from automl_loss.testing.scaffold import write_package


def install(package: Path, site: Path) -> None:
    """Into a folder of its own, from the files alone: no index is asked."""
    words = ["install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site), str(package)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)


@pytest.mark.parametrize("kind", list(GROUPS))
def test_a_new_package_installs_keeps_every_law_and_runs_untouched(kind: Any, tmp_path: Path) -> None:
    write_package(kind, "my-own", tmp_path / "package")
    install(tmp_path / "package", tmp_path / "site")
    environment = {
        "PYTHONPATH": str(tmp_path / "site"),
        "PATH": os.environ["PATH"],  # loky looks for pgrep there
        "OMP_NUM_THREADS": "1",
        "HOME": str(tmp_path),
    }

    def autoloss(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "automl_loss", *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)

    checked = autoloss("plugins", "check", kind, "my-own", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert json.loads(checked.stdout)[0]["findings"] == []
    quick = [
        "-s",
        "training.steps=30",
        "-s",
        "budget.candidates=6",
        "-s",
        "tuning.steps=5",
        "-s",
        "training.lr=0.1",
    ]
    quick += ["-s", "finalists.steps=30", "-s", "retraining.steps=30", "-s", "finalists.handcrafted=0"]
    workers = [] if kind == "executor" else ["-s", "executor.workers=1"]
    ran = autoloss("run", "package/recipe.yaml", "-o", "run", "--json", *quick, *workers)
    assert ran.returncode == 0, ran.stderr
    data = json.loads(ran.stdout)
    assert "autoloss-my-own" in data["versions"]
    words = ["-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}/package", "package/tests"]
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert " passed" in tested.stdout, tested.stdout + tested.stderr


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
