"""The candidates of a run as its files tell them, read without taking hold of the run directory."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automl_loss.errors import AutolossError


@dataclass(frozen=True)
class Trial:
    """One candidate; number 0 is the task loss.

    Args:
        id: number of the candidate, in the order asked.
        generation: the ask that made it; -1 for the task loss.
        status: how its evaluation ended.
        fitness: validation metric in its own sense, `None` where there is none.
        expression: the loss as text.
        key: equal for equal losses.
        complexity: number of nodes or parameters.
        source_id: the candidate whose outcome it shares, if it does.
    """

    id: int
    generation: int
    status: str
    fitness: float | None
    expression: str
    key: str
    complexity: int
    source_id: int | None = None


def read_trials(directory: Path) -> tuple[Trial, ...]:
    """All candidates, the task loss first.

    The leaderboard has the fitness in the metric's own sense; the journal adds the candidates that shared
    another's outcome. Where a run keeps its record in a database, the leaderboard is all there is.

    Raises:
        AutolossError: one of the files is broken.
    """
    board = {trial.id: trial for trial in _leaderboard(directory / "leaderboard.csv")}
    journal = directory / "journal.log"
    recorded = _journal(journal) if journal.exists() else {}
    trials = dict(board)
    for number, trial in recorded.items():
        shown = board.get(number if trial.source_id is None else trial.source_id)
        trials[number] = replace(trial, fitness=None if shown is None else shown.fitness)
    return tuple(trials[number] for number in sorted(trials))


def _leaderboard(file: Path) -> list[Trial]:
    if not file.exists():
        return []
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return [_from_row(row) for row in csv.DictReader(stream)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise broken(file, error) from error


def _from_row(row: Mapping[str, str]) -> Trial:
    return Trial(
        id=int(row["id"]),
        generation=int(row["generation"]),
        status=row["status"],
        fitness=float(row["fitness"]) if row["fitness"] else None,
        expression=row["expression"],
        key=row["expression"],
        complexity=int(row["complexity"]),
    )


def _journal(file: Path) -> dict[int, Trial]:
    """The trials of the study in a journal, which another process may be writing; nothing is repaired here."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        storage = JournalStorage(JournalFileBackend(str(file)))
        studies = storage.get_all_studies()
        # A candidate whose trial failed is tried again: its last trial counts.
        return {
            trial.user_attrs["id"]: _from_attributes(trial.user_attrs)
            for study in studies
            for trial in storage.get_all_trials(study._study_id, deepcopy=False)
        }
    except (OSError, KeyError, TypeError, ValueError, AssertionError) as error:
        raise broken(file, error) from error


def _from_attributes(attributes: Mapping[str, Any]) -> Trial:
    return Trial(
        id=attributes["id"],
        generation=attributes["generation"],
        status=attributes["status"],
        fitness=None,
        expression=attributes["expression"],
        key=attributes["key"],
        complexity=attributes["complexity"],
        source_id=attributes["source_id"],
    )


def broken(file: Path, error: Exception) -> AutolossError:
    """The error for a file of a run that cannot be read."""
    remedy = "Restore it from a copy"
    if file.name != "recipe.yaml":
        remedy += ", or move it away: the report then shows what the other files tell"
    reason = " ".join(str(error).split())
    return AutolossError(
        f"{file}: this file of the run cannot be read ({type(error).__name__}: {reason}). {remedy}."
    )
