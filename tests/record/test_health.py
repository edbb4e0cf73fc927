from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.recipes import tiny

from automl_loss import RecipeError, run
from automl_loss.cli import main
from automl_loss.record.health import damages


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    return run(tiny(), directory=tmp_path_factory.mktemp("health") / "run").directory


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def flip(file: Path, line: int = 5) -> None:
    """Change a digit in a line."""
    lines = file.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b"0", b"1", 1)
    file.write_bytes(b"".join(lines))


def garble_outputs(directory: Path) -> None:
    file = min((directory / "retraining").glob("*.npz"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "journal": (
        lambda d: flip(d / "journal.log"),
        "journal.log: line 6: this record does not match its checksum",
    ),
    "torn journal": (
        lambda d: (d / "journal.log").write_bytes((d / "journal.log").read_bytes()[:-9]),
        "the line was not written to its end",
    ),
    "chunks": (lambda d: flip(d / "chunks.log", 3), "chunks.log: 1 records do not match their checksum"),
    "outputs": (garble_outputs, "does not match its digest"),
    "result": (lambda d: (d / "result.json").write_text("{"), "result.json: cannot be read"),
    "best loss": (lambda d: (d / "best_loss.json").write_text("[]"), "best_loss.json: cannot be read"),
    "leaderboard": (
        lambda d: (d / "leaderboard.csv").write_text("id\n1\n"),
        "leaderboard.csv: cannot be read",
    ),
    "half a file": (lambda d: (d / ".result.json.4711.tmp").write_text("{"), "half written by a process"),
}


def numbers(directory: Path) -> Any:
    data = json.loads((directory / "result.json").read_text())
    return data["test"], data["finalists"], data["best"]


def test_a_whole_run_is_in_order(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert damages(whole) == []
    assert main(["doctor", str(whole)]) == 0
    assert "All is in order." in capsys.readouterr().out


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_repaired_and_what_it_cost_is_computed_again(
    whole: Path, copy: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, text = DAMAGE[kind]
    damage(copy)
    before = {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}
    assert main(["doctor", str(copy)]) == 1
    assert text in capsys.readouterr().out
    assert {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()} == before
    assert main(["doctor", str(copy), "--repair"]) == 0
    assert "--resume" in capsys.readouterr().out
    assert main(["doctor", str(copy)]) == 0
    run(tiny(), directory=copy, resume=True)
    assert numbers(copy) == numbers(whole)


def test_a_journal_of_another_recipe_is_named(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = copy / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("tuning: {steps: 10", "tuning: {steps: 11", 1))
    assert main(["doctor", str(copy)]) == 1
    assert "differs from recipe.yaml in tuning.steps" in capsys.readouterr().out


def test_a_damaged_cell_of_a_comparison_is_named_and_moved_aside(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "comparison"
    (place / "cells").mkdir(parents=True)
    (place / "recipe.yaml").write_text("compare: {strategies: [evomal, random], tasks: [wine]}\n")
    shutil.move(copy, place / "cells" / "one")
    (place / "cells" / "one" / "cell.json").write_text('{"status": "do')
    flip(place / "cells" / "one" / "journal.log")
    assert main(["doctor", str(place), "--repair"]) == 0
    out = capsys.readouterr().out
    assert "autoloss compare" in out
    assert "one/cell.json: cannot be read" in out
    assert "one/journal.log: line 6" in out
    assert (place / "cells" / "one" / "cell.json.damaged").exists()


def test_what_is_no_run_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no run directory"):
        damages(tmp_path)
    assert main(["doctor", "--repair"]) == 2
