from __future__ import annotations

import csv
from pathlib import Path

from automl_loss.record.leaderboard import COLUMNS, LeaderboardRow, write_leaderboard


def row(**changes: object) -> LeaderboardRow:
    usual = {"rank": 1, "id": 7, "generation": 2, "fitness": 0.1 + 0.2, "status": "evaluated",
             "expression": "mul(y, log(f))", "complexity": 4, "lr": 0.01, "seconds": 1.5}  # fmt: skip
    return LeaderboardRow(**{**usual, **changes})  # type: ignore[arg-type]


def test_the_leaderboard_reads_back_with_every_bit_of_its_numbers(tmp_path: Path) -> None:
    file = tmp_path / "leaderboard.csv"
    write_leaderboard(
        file, [row(), row(rank=2, id=0, fitness=None, status="diverged", message='said "no",\ntwice')]
    )
    with file.open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert tuple(first) == COLUMNS
    assert float(first["fitness"]) == 0.1 + 0.2
    assert (first["expression"], first["id"], first["message"]) == ("mul(y, log(f))", "7", "")
    assert (second["fitness"], second["message"]) == ("", 'said "no",\ntwice')


def test_a_later_leaderboard_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    file = tmp_path / "leaderboard.csv"
    write_leaderboard(file, [row(rank=i) for i in range(50)])
    write_leaderboard(file, [])
    assert file.read_text() == "rank,id,generation,fitness,status,expression,complexity,lr,seconds,message\n"
