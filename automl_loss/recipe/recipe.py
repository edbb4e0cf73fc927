"""Define `Recipe`, a validated recipe with every setting of a search filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl_loss.engine.data.corruption import TaskOptions
from automl_loss.engine.settings import StopRule, TrainingSettings, TuningSettings
from automl_loss.recipe import yaml
from automl_loss.recipe.core_sections import (
    Budget,
    ExecutorOptions,
    FilterSettings,
    Finalists,
    General,
    LocalPlugin,
    Retraining,
)
from automl_loss.recipe.sections import TASKS, Choice, TaskChoice

_MAY_DIFFER = ("budget", "executor", "finalists", "retraining")


@dataclass(frozen=True)
class Recipe:
    """A validated recipe with every default filled in.

    Two recipes are equal when their settings are, whatever files they came from.

    Args:
        name: the run directory's name.
        seed: the run seed, from which every random number and the split follow.
        task: the task plugin.
        task_options: metric and corruptions, the options that every task has.
        model: the model plugin, or the import path of a network and its keyword arguments.
        strategy: the search strategy.
        evaluator: turns candidates into outcomes; the strategy's own unless the recipe names one.
        primitives: the primitive set.
        filters: settings of the filters that reject candidates before training.
        tuning: settings of the tuning of losses' weights.
        training: settings of partial training.
        stop: the stopping rule of every method and stage.
        budget: limits of the search.
        finalists: how the best candidates are compared again.
        retraining: settings of the full training.
        executor: the executor plugin, which runs the work.
        executor_options: chunk size, threads and time limit.
        storage: an Optuna storage URL, or `None` for a journal in the run directory.
        plugins: local plugins, their paths absolute.
        requires: packages that must be installed.
        device: torch device.
        notices: sentences for the user about how the recipe was read.
        folder: the recipe's folder; the user's own modules are looked for there, too.
        tasks: all tasks where there are several, of which `task` is the first; empty otherwise.
    """

    name: str
    seed: int
    task: Choice
    task_options: TaskOptions
    model: Choice
    strategy: Choice
    evaluator: Choice
    primitives: Choice
    filters: FilterSettings
    tuning: TuningSettings
    training: TrainingSettings
    stop: StopRule
    budget: Budget
    finalists: Finalists
    retraining: Retraining
    executor: Choice
    executor_options: ExecutorOptions
    storage: str | None
    plugins: tuple[LocalPlugin, ...]
    requires: tuple[str, ...]
    device: str
    notices: tuple[str, ...] = field(default=(), compare=False)
    folder: Path | None = field(default=None, compare=False)
    tasks: tuple[TaskChoice, ...] = ()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The plugins of all kinds."""
        others = (task.choice for task in self.tasks[1:])
        return (self.task, *others, self.model, self.strategy, self.evaluator, self.primitives, self.executor)

    def to_data(self) -> dict[str, Any]:
        """Return the recipe as plain data, keys in the order recipes are written."""
        # The folder is not part of a recipe; only a recipe that is written elsewhere has to name it.
        keys = General.model_fields.keys() - {"folder"}
        general = General.model_construct(**{key: getattr(self, key) for key in keys})
        plain = general.model_dump(mode="json", exclude={"folder"})
        task = {"task": TaskChoice(self.task, self.task_options).to_data()}
        return {
            "name": plain.pop("name"),
            "seed": plain.pop("seed"),
            **({TASKS: [each.to_data() for each in self.tasks]} if self.tasks else task),
            "model": self.model.to_data(),
            "strategy": self.strategy.to_data(),
            "evaluator": self.evaluator.to_data(),
            "primitives": self.primitives.to_data(),
            **plain,
            "executor": {**self.executor.to_data(), **self.executor_options.model_dump(mode="json")},
        }

    def to_yaml(self, *, with_folder: bool = False) -> str:
        """Return the recipe as YAML that loads back to an equal recipe.

        Args:
            with_folder: whether to include the recipe's folder, so that the YAML can be written elsewhere.
        """
        place = {"folder": str(self.folder.resolve())} if with_folder and self.folder is not None else {}
        return yaml.dump({**self.to_data(), **place})

    def difference(self, other: Recipe) -> list[str]:
        """Return the dotted keys that differ and may not when a run is resumed.

        Budget, executor, finalists and retraining may differ: they change no outcome on record.

        Example:
            `["strategy.population", "seed"]` when those two were changed.
        """
        return differing_keys(self.fixed_data(), other.fixed_data())

    def fixed_data(self) -> dict[str, Any]:
        """Return the part of the recipe that may not change when a run is resumed, as plain data."""
        data = {key: value for key, value in self.to_data().items() if key not in _MAY_DIFFER}
        plain: dict[str, Any] = json.loads(json.dumps(data))
        return plain

    def changed_since(self, recorded: Mapping[str, Any]) -> list[str]:
        """Return the dotted keys that differ from fixed data on record.

        Options that are newer than the record do not count, nor does the recipe's folder.
        """
        fixed = {key: value for key, value in recorded.items() if key not in (*_MAY_DIFFER, "folder")}
        return differing_keys(self.fixed_data(), fixed, recorded_only=True)


def differing_keys(
    mine: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "", *, recorded_only: bool = False
) -> list[str]:
    """Return the dotted keys of plain data that differ.

    Args:
        mine: plain data.
        theirs: the data to compare with.
        prefix: of the keys.
        recorded_only: whether keys that `theirs` lacks do not count.
    """
    keys: list[str] = []
    for key in theirs if recorded_only else dict.fromkeys((*mine, *theirs)):
        one, two = mine.get(key), theirs.get(key)
        if isinstance(one, dict) and isinstance(two, dict):
            keys += differing_keys(one, two, f"{prefix}{key}.", recorded_only=recorded_only)
        elif (key in mine) != (key in theirs) or one != two:
            keys.append(f"{prefix}{key}")
    return keys
