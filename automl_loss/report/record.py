"""What a run directory says, read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from automl_loss.errors import AutolossError, ExpressionError
from automl_loss.losses import Loss, Problem, loss_from_json
from automl_loss.report.names import ROLE_NAMES
from automl_loss.report.trials import Trial, broken, read_trials
from automl_loss.report.unit import Unit


@dataclass(frozen=True)
class RunRecord:
    """A run as its directory tells it.

    Args:
        directory: of the run.
        recipe_text: the resolved recipe with the versions above it.
        recipe: the same as plain data.
        result: `result.json`, or `None` while the run is not finished.
        loss: the loss that the run returns, or its best so far; `None` before the first.
        problem: the task's, known when `loss` is.
        trials: all candidates, the task loss first.
    """

    directory: Path
    recipe_text: str
    recipe: Mapping[str, Any]
    result: Mapping[str, Any] | None
    loss: Loss | None
    problem: Problem | None
    trials: tuple[Trial, ...]

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read a run directory.

        Raises:
            AutolossError: there is no such directory, there is no run in it, or a file of it is broken.
        """
        if not directory.is_dir():
            what = "is a file" if directory.exists() else "does not exist"
            raise AutolossError(
                f"{directory}: the run directory {what}. Name the folder that `autoloss run` wrote, "
                f"for example runs/quickstart."
            )
        file = directory / "recipe.yaml"
        if not file.is_file():
            raise AutolossError(
                f"{directory}: there is no run here: it has no recipe.yaml. Name the folder that `autoloss run` "
                f"wrote, for example runs/quickstart."
            )
        try:
            text = file.read_text(encoding="utf-8")
            recipe = yaml.safe_load(text)
            if not isinstance(recipe, dict):
                raise TypeError("it is not a mapping")
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise broken(file, error) from error
        loss, problem = _best_loss(directory)
        return cls(
            directory, text, recipe, _result(directory / "result.json"), loss, problem, read_trials(directory)
        )

    @property
    def name(self) -> str:
        """Of the run directory."""
        return self.directory.resolve().name

    @property
    def unit(self) -> Unit:
        """How the metric is shown."""
        if self.result is not None:
            return Unit(self.result["test"]["metric"])
        return Unit(self.problem.metric if self.problem is not None else "metric")

    @property
    def lower_is_better(self) -> bool:
        """The metric's own sense; an unfinished run under a user's own metric counts as an error."""
        if self.result is not None:
            return bool(self.result["test"]["lower_is_better"])
        return self.problem is None or Unit(self.problem.metric).lower_is_better

    @property
    def task_loss(self) -> Trial | None:
        """Candidate 0."""
        return self.trials[0] if self.trials and self.trials[0].id == 0 else None

    @property
    def candidates(self) -> tuple[Trial, ...]:
        """All candidates but the task loss."""
        return tuple(trial for trial in self.trials if trial.id != 0)

    @property
    def ranked(self) -> list[Trial]:
        """Trained losses that differ, best first, without the task loss."""
        trained = [t for t in self.candidates if t.fitness is not None and t.source_id is None]
        return sorted(
            trained, key=lambda t: (t.fitness, t.id) if self.lower_is_better else (-(t.fitness or 0), t.id)
        )

    def contestants(self) -> dict[str, Mapping[str, Any]]:
        """Entries of the test by role: `found`, `handcrafted`, `task_loss`; empty while there is no result."""
        if self.result is None:
            return {}
        test = self.result["test"]
        entries = {**test["others"], "task_loss": test["task_loss"]}
        if test["returned"] != "task_loss":
            entries[test["returned"]] = {**test["learned"], "difference": test["difference"]}
        return {role: entries[role] for role in ROLE_NAMES if role in entries}


def _result(file: Path) -> Mapping[str, Any] | None:
    if not file.exists():
        return None
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if data["schema"] != 1:
            raise ValueError(f"its schema is {data['schema']}, and this version reads 1")
        missing = {"best", "test", "search", "versions"} - set(data)
        if missing:
            raise ValueError(f"it has no {', '.join(sorted(missing))}")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise broken(file, error) from error
    return data


def _best_loss(directory: Path) -> tuple[Loss | None, Problem | None]:
    file = directory / "best_loss.json"
    if not file.exists():
        return None, None
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        problem = Problem.from_json(data["problem"])
        try:
            return loss_from_json(data["loss"]), problem
        except ExpressionError:
            # A word of a plugin's primitive set, which the recipe names.
            return loss_from_json(data["loss"], _primitives(directory / "recipe.yaml")), problem
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise broken(file, error) from error


def _primitives(recipe: Path) -> Any:
    from automl_loss.recipe import load_recipe

    choice = load_recipe(recipe).primitives
    if choice.plugin is None:
        raise AutolossError(f"{recipe}: the primitive set {choice.label} has no plugin; install it again.")
    return choice.plugin(choice.config)
