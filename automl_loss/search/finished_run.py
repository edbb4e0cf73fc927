"""A run that ended, as its directory tells it: what transfer and landscapes start from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from automl_loss.errors import AutolossError, ExpressionError, RecipeError
from automl_loss.losses.base import Loss
from automl_loss.losses.problem import Problem
from automl_loss.losses.serialize import loss_from_json
from automl_loss.recipe import Recipe, load_recipe
from automl_loss.search.result import SCHEMA
from automl_loss.search.verdict import task_loss_name


@dataclass(frozen=True)
class FinishedRun:
    """A run with a result.

    Args:
        directory: the run directory.
        recipe: as resolved by the run.
        loss: the loss that the run returned, at its scale there.
        problem: the task's.
        returned: what the loss is: `found` or `handcrafted`.
        result: `result.json`.
    """

    directory: Path
    recipe: Recipe
    loss: Loss
    problem: Problem
    returned: str
    result: Mapping[str, Any]

    @classmethod
    def read(cls, directory: Path, *, device: str | None = None) -> Self:
        """Read a run directory; nothing in it is changed.

        Args:
            directory: of the run.
            device: in place of the recipe's.

        Raises:
            RecipeError: it is no run directory.
            AutolossError: the run is not finished, it returned the task loss itself, or a file is broken.
            PluginError: a plugin of its recipe is missing.
        """
        file = directory / "recipe.yaml"
        if not file.is_file():
            what = "is a file" if directory.is_file() else "has no recipe.yaml"
            what = what if directory.exists() else "does not exist"
            raise RecipeError(
                f"{directory}: this is no run directory: it {what}. Name the folder that `autoloss run` wrote, "
                f"for example runs/quickstart."
            )
        result = _result(directory)
        returned = str(result["test"]["returned"])
        if returned == "task_loss":
            usual = task_loss_name(result["test"]["task_loss"]["loss"])
            raise AutolossError(
                f"{directory}: this run returned the task loss, {usual}: nothing it tried was better on "
                f"validation, so there is no loss to lay beside the task loss. Name a run that found one."
            )
        # A loss for several tasks is transferred, and looked at, from the first of them.
        recipe = replace(load_recipe(file, device=device), tasks=())
        loss, problem = _best_loss(directory, recipe)
        return cls(directory, recipe, loss, problem, returned, result)

    @property
    def name(self) -> str:
        """Of the run directory."""
        return self.directory.resolve().name


def _result(directory: Path) -> Mapping[str, Any]:
    file = directory / "result.json"
    if not file.exists():
        recipe = directory / "recipe.yaml"
        raise AutolossError(
            f"{directory}: this run is not finished: it has no {file.name}. Let it end, or go on with it: "
            f"autoloss run {recipe} -o {directory} --resume"
        )
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError(f"its schema is {data['schema']!r}, and this version reads {SCHEMA}")
        data["test"]["returned"], data["test"]["task_loss"]["loss"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _broken(file, error) from error
    return data


def _best_loss(directory: Path, recipe: Recipe) -> tuple[Loss, Problem]:
    file, words = directory / "best_loss.json", recipe.primitives
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        primitives = None if words.plugin is None else words.plugin(words.config)
        return loss_from_json(data["loss"], primitives), Problem.from_json(data["problem"])
    except (OSError, KeyError, TypeError, ValueError, ExpressionError) as error:
        raise _broken(file, error) from error


def _broken(file: Path, error: Exception) -> AutolossError:
    reason = " ".join(str(error).split())
    return AutolossError(
        f"{file}: this file of the run cannot be read ({type(error).__name__}: {reason}). Restore it from a copy."
    )
