"""Whole runs on disks that fill up, have no inodes, cannot be written, or vanish: one clear error, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.recipes import tiny

from automl_loss import AutolossError, run
from automl_loss.cli import main


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(tiny()))
    return str(file)


def ends(recipe: str, place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says where it cannot write."""
    assert main(["run", recipe, "-o", str(place), "-q"]) in (1, 2, 5)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "bug" not in said
    return said


def test_a_disk_that_fills_up_is_named_and_the_run_goes_on_once_there_is_room(
    small_disk: Path, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 40_000)
    said = ends(recipe, small_disk / "run", capsys)
    assert "the disk is full. Free some space" in said
    ballast.unlink()
    shutil.copytree(small_disk / "run", Path(recipe).with_name("room"))
    assert main(["run", recipe, "-o", str(Path(recipe).with_name("room")), "--resume", "-q"]) == 0


def test_a_disk_without_inodes_is_named(
    few_inodes: Path, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "cannot be written" in ends(recipe, few_inodes / "run", capsys)


@pytest.mark.skipif(os.name != "posix", reason="needs mount")
def test_a_folder_that_turns_read_only_is_named(
    small_disk: Path, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_disk / "run").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    said = ends(recipe, small_disk / "run", capsys)
    assert "read-only" in said
    assert "-o DIR" in said


def vanishing(place: Path) -> Callable[[object], None]:
    def callback(progress: object) -> None:
        if (place / "leaderboard.csv").exists():
            shutil.rmtree(place)

    return callback


def test_a_directory_that_is_removed_during_the_run_is_named(tmp_path: Path) -> None:
    place = tmp_path / "run"
    with pytest.raises(AutolossError, match="removed during the run"):
        run(tiny(), vanishing(place), directory=place)
