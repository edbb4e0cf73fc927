"""`autoloss top`."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_loss.cli import main
from automl_loss.record.leaderboard import LeaderboardRow, write_leaderboard

LONG = "add(" * 60 + "y" + ", f)" * 60


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [
        LeaderboardRow(1, 7, 0, 0.03125, "evaluated", "abs(sub(y, f)) [bold]", 4, 0.30000001, 1.26),
        LeaderboardRow(2, 9, 1, None, "rejected", LONG, 121, 0.1, 0.0, "no gradient"),
        LeaderboardRow(3, 0, -1, 0.5, "evaluated", "cross_entropy", 1, 0.1, 2.0),
    ]
    write_leaderboard(tmp_path / "leaderboard.csv", rows)
    return tmp_path


def test_losses_come_one_a_line_best_first_even_long_ones(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", str(run)]) == 0
    rows = [line.split(maxsplit=6) for line in capsys.readouterr().out.splitlines()]
    rows = [[cell.rstrip() for cell in row] for row in rows if row and row[0].isdigit()]
    assert rows == [
        ["1", "0.0312", "evaluated", "4", "0.3", "1.3", "abs(sub(y, f)) [bold]"],
        ["2", "-", "rejected", "121", "0.1", "0.0", LONG],
        ["3", "0.5000", "evaluated", "1", "0.1", "2.0", "cross_entropy"],
    ]


def test_n_limits_the_losses_and_says_how_many_are_left(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", str(run), "-n", "1"]) == 0
    shown = capsys.readouterr().out
    assert "abs(sub(y, f))" in shown
    assert "cross_entropy" not in shown
    assert f"2 more in {run / 'leaderboard.csv'}" in shown


@pytest.mark.parametrize(
    ("content", "said", "code"),
    [
        (None, "there is no leaderboard. A run writes it after its first generation", 1),
        ("rank,fitness\n1,2\n", "no column status, complexity", 1),
        ("", "not a leaderboard", 1),
    ],
)
def test_a_folder_without_a_leaderboard_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, said: str, code: int
) -> None:
    if content is not None:
        (tmp_path / "leaderboard.csv").write_text(content)
    assert main(["top", str(tmp_path)]) == code
    assert said in capsys.readouterr().err


def test_no_such_directory_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", str(tmp_path / "absent")]) == 2
    assert "absent: there is no such run directory" in capsys.readouterr().err
