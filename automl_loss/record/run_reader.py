"""Reads a run directory without taking hold of it: recipe, result, best loss, leaderboard and trials.

A run that is going on or was interrupted can be read, too. Nothing is changed or repaired here.
"""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automl_loss.errors import (
    AutolossError,
    ExpressionError,
    PluginError,
    RecipeError,
    UnknownPrimitiveError,
)
from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.losses import Loss, Problem
from automl_loss.losses.loss_file import LARGEST, LossFile
from automl_loss.record.run_directory import RunPaths
from automl_loss.record.trust import require_trust

RESULT_SCHEMA = 1
"""Number of the layout of `result.json`."""


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


class RunReader:
    """What the files of one run say, each read when it is asked for.

    Args:
        directory: of the run.
        remedy: what to do about a file that cannot be read, as a sentence without its full stop; empty: the usual.

    Raises:
        RecipeError: it is no run directory.
    """

    def __init__(self, directory: Path, remedy: str = "") -> None:
        self.paths = RunPaths(directory)
        self._remedy = remedy or f"Restore it from a copy, or see `autoloss doctor {directory}`"
        if not self.paths.recipe.is_file():
            what = "is a file" if directory.is_file() else "has no recipe.yaml"
            what = what if directory.exists() else "does not exist"
            raise RecipeError(
                f"{directory}: this is no run directory: it {what}. Name the folder that `autoloss run` wrote, "
                f"for example runs/quickstart."
            )

    def recipe(self) -> tuple[str, Mapping[str, Any]]:
        """The resolved recipe with the versions above it, as text and as plain data."""
        import yaml

        with self._reading(self.paths.recipe):
            text = self.paths.recipe.read_text(encoding="utf-8")
            try:
                data = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ValueError(str(error)) from error
            if not isinstance(data, dict):
                raise TypeError("it is not a mapping")
        return text, data

    def result(self) -> Mapping[str, Any] | None:
        """`result.json`; `None` while the run is not finished."""
        if not self.paths.result.exists():
            return None
        with self._reading(self.paths.result):
            data: dict[str, Any] = json.loads(self.paths.result.read_text(encoding="utf-8"))
            if data["schema"] != RESULT_SCHEMA:
                raise ValueError(f"its schema is {data['schema']!r}, and this version reads {RESULT_SCHEMA}")
            missing = {"best", "test", "search", "versions"} - set(data)
            if missing:
                raise ValueError(f"it has no {', '.join(sorted(missing))}")
            data["test"]["returned"], data["test"]["task_loss"]["loss"]
        return data

    def best_loss(self, *, trust: bool = False) -> tuple[Loss, Problem] | None:
        """The loss that the run returns, or its best so far, and the task's problem; `None` before the first.

        Args:
            trust: see `read_loss_file`.
        """
        if not self.paths.best_loss_json.exists():
            return None
        with self._reading(self.paths.best_loss_json):
            return read_loss_file(self.paths.best_loss_json, trust=trust)

    def trials(self) -> tuple[Trial, ...]:
        """All candidates, the task loss first.

        The leaderboard has the fitness in the metric's own sense; the journal adds the candidates that shared
        another's outcome. Where a run keeps its record in a database, the leaderboard is all there is.
        """
        board = {trial.id: trial for trial in self.leaderboard()}
        trials = dict(board)
        for number, trial in self._trials_of_journal().items():
            shown = board.get(number if trial.source_id is None else trial.source_id)
            trials[number] = replace(trial, fitness=None if shown is None else shown.fitness)
        return tuple(trials[number] for number in sorted(trials))

    def leaderboard(self) -> list[Trial]:
        """The rows of the leaderboard, best first; empty before the first generation."""
        if not self.paths.leaderboard.exists():
            return []
        with self._reading(self.paths.leaderboard):
            return [
                Trial(
                    id=int(row["id"]),
                    generation=int(row["generation"]),
                    status=row["status"],
                    fitness=float(row["fitness"]) if row["fitness"] else None,
                    expression=row["expression"],
                    key=row["expression"],
                    complexity=int(row["complexity"]),
                )
                for row in read_leaderboard(self.paths.leaderboard)
            ]

    def _trials_of_journal(self) -> dict[int, Trial]:
        """The trials of the study in the journal, which another process may be writing."""
        if not self.paths.journal.exists():
            return {}
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        with self._reading(self.paths.journal):
            storage = JournalStorage(JournalFileBackend(str(self.paths.journal)))
            # A candidate whose trial failed is tried again: its last trial counts.
            return {
                trial.user_attrs["id"]: _from_attributes(trial.user_attrs)
                for study in storage.get_all_studies()
                for trial in storage.get_all_trials(study._study_id, deepcopy=False)
            }

    @contextmanager
    def _reading(self, file: Path) -> Iterator[None]:
        """Turn what goes wrong with a file into an error that names it."""
        try:
            yield
        except AutolossError:
            raise
        except (OSError, KeyError, TypeError, ValueError, AssertionError, RecursionError) as error:
            reason = " ".join(str(error).split())
            raise AutolossError(
                f"{file}: this file of the run cannot be read ({type(error).__name__}: {reason}). {self._remedy}."
            ) from error


def read_leaderboard(file: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a leaderboard, best first, as text by column.

    Raises:
        ValueError: it is not CSV, or lacks one of the columns.
    """
    with file.open(encoding="utf-8", newline="") as stream:
        limit = csv.field_size_limit(LARGEST)
        try:
            reader = csv.DictReader(stream)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"it has no column {', '.join(missing)}")
            return list(reader)
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
        finally:
            csv.field_size_limit(limit)


def read_loss_file(file: Path, *, trust: bool = False) -> tuple[Loss, Problem]:
    """The loss and the problem of a `best_loss.json`.

    Words beside the standard ones come from the primitive set that the file names, or, where that is a local plugin,
    that the recipe beside it names: of a run that was started by this user on this machine, or is trusted.

    Args:
        file: the file.
        trust: whether code that the recipe beside it names may run, though the run was not started here.

    Raises:
        RecipeError: the primitive set is code that is not trusted.
        PluginError: the primitive set is missing or broken.
        OSError: the file cannot be read.
        AutolossError: it is no loss; the message names the field.
    """
    try:
        content = LossFile.from_bytes(_bytes(file))
        try:
            return content.loss(), content.problem
        except UnknownPrimitiveError:
            if content.primitives is None:
                raise
        words = _primitives(content.primitives, RunPaths(file.parent), trust=trust)
        return content.loss(words), content.problem
    except (ValueError, ExpressionError) as error:
        raise AutolossError(
            f"{file}: this file of the run cannot be read; it is not a loss written by automl-loss: {error} "
            f"Restore it from a copy, or write it again: autoloss run, with --resume where the run's record is whole."
        ) from error


def _bytes(file: Path) -> bytes:
    """The content of a regular file of bounded size."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise ValueError("it is not a regular file.")
    with file.open("rb") as stream:
        return stream.read(LARGEST + 1)


def _primitives(section: Mapping[str, Any], run: RunPaths, *, trust: bool) -> PrimitiveSet:
    from automl_loss.plugins.loading import Registry
    from automl_loss.recipe import load_recipe, recipe_data

    options = dict(section)
    name = options.pop("name")
    try:
        loaded = Registry().load("primitive_set", name)
    except PluginError:
        if not run.recipe.is_file():
            raise
        require_trust(
            run.path, recipe_data(run.recipe), trust=trust, remedy="--trust (in Python `trust=True`)"
        )
        made: PrimitiveSet = load_recipe(run.recipe).primitives.make()
        return made
    words: PrimitiveSet = loaded.cls(loaded.config.model_validate_json(json.dumps(options)))
    return words


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
