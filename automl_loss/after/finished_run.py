"""A run that ended, as its directory tells it: what transfer and landscapes start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from automl_loss.errors import AutolossError
from automl_loss.final.verdict import task_loss_name
from automl_loss.losses.base import Loss
from automl_loss.losses.problem import Problem
from automl_loss.recipe import Recipe, load_recipe
from automl_loss.record.run_reader import RunReader
from automl_loss.record.trust import require_trust


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
    def read(cls, directory: Path, *, device: str | None = None, trust: bool = False) -> Self:
        """Read a run directory; nothing in it is changed.

        Args:
            directory: of the run.
            device: in place of the recipe's.
            trust: whether code that its recipe names may run, though the run was not started here.

        Raises:
            RecipeError: it is no run directory, or its recipe names code that is not trusted.
            AutolossError: the run is not finished, it returned the task loss itself, or a file is broken.
            PluginError: a plugin of its recipe is missing.
        """
        reader = RunReader(directory)
        result = reader.result()
        if result is None:
            raise AutolossError(
                f"{directory}: this run is not finished: it has no {reader.paths.result.name}. Let it end, or go on "
                f"with it: autoloss run {reader.paths.recipe} -o {directory} --resume"
            )
        returned = str(result["test"]["returned"])
        if returned == "task_loss":
            usual = task_loss_name(result["test"]["task_loss"]["loss"])
            raise AutolossError(
                f"{directory}: this run returned the task loss, {usual}: nothing it tried was better on "
                f"validation, so there is no loss to lay beside the task loss. Name a run that found one."
            )
        require_trust(directory, reader.recipe()[1], trust=trust)
        # A loss for several tasks is transferred, and looked at, from the first of them.
        recipe = replace(load_recipe(reader.paths.recipe, device=device), tasks=())
        best = reader.best_loss(trust=trust)
        if best is None:
            raise AutolossError(
                f"{directory}: this run has no {reader.paths.best_loss_json.name}. Restore it from a copy."
            )
        return cls(directory, recipe, *best, returned, result)

    @property
    def name(self) -> str:
        """Of the run directory."""
        return self.directory.resolve().name
