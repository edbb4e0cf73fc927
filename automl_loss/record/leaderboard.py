"""`leaderboard.csv`: the best losses so far, for a person and for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from automl_loss.record.atomic import replace_text


@dataclass(frozen=True)
class LeaderboardRow:
    """One loss on the leaderboard.

    Args:
        rank: 1 for the best.
        id: the candidate's; 0 is the task loss.
        generation: the ask that made it; -1 for the task loss.
        fitness: validation metric in its own sense, `None` where there is none.
        status: how its evaluation ended.
        expression: the loss as text.
        complexity: number of nodes or parameters.
        lr: learning rate it was trained at.
        seconds: time spent on it.
        message: the reason, where there is one to give.
    """

    rank: int
    id: int
    generation: int
    fitness: float | None
    status: str
    expression: str
    complexity: int
    lr: float
    seconds: float
    message: str = ""


COLUMNS = tuple(field.name for field in fields(LeaderboardRow))


def write_leaderboard(path: Path, rows: Iterable[LeaderboardRow]) -> None:
    """Replace the leaderboard as a whole; fields without a value are empty.

    Raises:
        AutolossError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in rows)
    replace_text(path, text.getvalue())
