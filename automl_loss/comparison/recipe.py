"""Split a recipe with `compare:` in place of `strategy:` into the recipes of its cells."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from automl_loss.errors import PluginError, RecipeError
from automl_loss.recipe import overrides as changes
from automl_loss.recipe import yaml
from automl_loss.recipe.core_sections import Budget, General, Section
from automl_loss.recipe.document import Document
from automl_loss.recipe.faults import Faults, dotted
from automl_loss.recipe.load import load_recipe, read_document
from automl_loss.recipe.messages import describe, validate
from automl_loss.recipe.recipe import Recipe

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KEY = "compare"
TIMEOUT_S = 600.0
"""Seconds that a candidate or a training run of a cell may take, unless the recipe says otherwise."""
_OWN = {*General.model_fields, "evaluator", "primitives", "executor"} - {
    "name",
    "seed",
    "plugins",
    "requires",
}
"""Sections of a recipe that an entry of `strategies` may override."""


class CompareSection(Section):
    """The keys under `compare:`."""

    strategies: list[Any] = Field(
        min_length=1, description="names, or mappings with a label, options and sections"
    )
    tasks: list[Any] | None = Field(
        None, min_length=1, description="names or task sections; null: the recipe's task"
    )
    models: list[Any] | None = Field(None, min_length=1, description="likewise; null: the recipe's model")
    seeds: PositiveInt | list[NonNegativeInt] = Field(
        10, description="number of units, each a split and whole searches of its own, or their run seeds"
    )
    budget: Budget | None = Field(None, description="of every strategy; null: the recipe's")
    control: str | None = Field(
        None,
        description="label of the strategy that the others are tested against; null: evomal, or the first",
    )
    judge: Literal["test", "validation"] = Field(
        "test",
        description="rows that methods are compared on; `validation`: every task gets `development: true`",
    )
    workers: PositiveInt | None = Field(None, description="cells at work at once; null: one a core")


@dataclass(frozen=True)
class Cell:
    """One strategy on one task and model under one seed.

    Args:
        strategy: label of the strategy.
        task: label of the task.
        model: label of the model.
        seed: run seed of the unit; all strategies have the same split.
        recipe: the recipe of the cell's run.
    """

    strategy: str
    task: str
    model: str
    seed: int
    recipe: Recipe

    @property
    def name(self) -> str:
        """Name of the cell's directory."""
        return f"{self.task}--{self.model}--{self.strategy}--{self.seed}"


@dataclass(frozen=True)
class Comparison:
    """A validated comparison.

    Args:
        name: name of its directory.
        strategies: labels of the strategies, in order.
        tasks: labels of the tasks.
        models: labels of the models.
        seeds: run seeds of the units.
        control: label of the strategy that the others are tested against.
        cells: sorted by seed, then task, model, strategy, so that the first units are complete first.
        judge: `test`, or `validation` while methods are developed.
        workers: number of cells run at once; `None`: one a core.
        data: the recipe as plain data.
        notices: sentences for the user.
    """

    name: str
    strategies: tuple[str, ...]
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    control: str
    cells: tuple[Cell, ...]
    judge: Literal["test", "validation"]
    workers: int | None
    data: Mapping[str, Any]
    notices: tuple[str, ...] = ()

    def to_yaml(self) -> str:
        """Return the recipe as YAML that loads to the same comparison."""
        return yaml.dump(dict(self.data))


@dataclass(frozen=True)
class _Entry:
    """One entry of a list under `compare`: a label, a plugin section, and sections of its own."""

    label: str
    section: Mapping[str, Any]
    own: Mapping[str, Any]
    place: str


def load_comparison(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    seed: int | None = None,
    device: str | None = None,
) -> Comparison:
    """Read and validate a comparison; every cell's recipe is checked.

    Args:
        source: as in `load_recipe`.
        overrides: as in `load_recipe`: `compare.seeds=3`, `training.steps=100`.
        seed: run seed of the first unit; replaces the recipe's.
        device: replaces the recipe's.

    Raises:
        RecipeError: anything is wrong; it carries every fault.
        PluginError: plugins are missing or broken, and nothing else is wrong.
    """
    faults = Faults()
    document, default_name, folder = read_document(source, faults)
    changes.expand(document)
    notices = changes.apply(document, changes.parse(overrides, faults), faults)
    data = document.data
    if not isinstance(data.get(_KEY), dict):
        what = "is missing" if data.get(_KEY) is None else f"is {describe(data[_KEY])}"
        example = "`compare: {strategies: [evomal, random], tasks: [digits], seeds: 10}`"
        faults.add(
            document.value_place((_KEY,)),
            _KEY,
            f"{what}; write {example}. For one strategy use `autoloss run`.",
        )
    faults.raise_all()
    section = validate(CompareSection, data[_KEY], document, (_KEY,), faults)
    if data.get("strategy") is not None:
        faults.add(document.key_place(("strategy",)), "strategy", "belongs into `compare.strategies` here.")
    faults.raise_all()
    assert section is not None
    strategies = _entries(document, "strategies", section.strategies, _OWN, faults)
    tasks = _listed(document, "tasks", section.tasks, "task", faults)
    models = _listed(document, "models", section.models, "model", faults)
    control = section.control or _usual_control(strategies)
    if control not in [entry.label for entry in strategies]:
        labels = ", ".join(entry.label for entry in strategies)
        faults.add(
            document.value_place((_KEY, "control")),
            "compare.control",
            f"no strategy '{control}' in {labels}.",
        )
    faults.raise_all()
    base = {
        key: value for key, value in data.items() if key not in (_KEY, "strategy", "task", "model", "name")
    }
    if seed is not None:
        base["seed"] = seed
    if device is not None:
        base["device"] = device
    if section.budget is not None:
        base["budget"] = data[_KEY]["budget"]
    executor = base.setdefault("executor", {"name": "local", "workers": 1})
    if isinstance(executor, dict):
        # No cell may hold up the others for ever.
        base["executor"] = {"timeout_s": TIMEOUT_S, **executor}
    name = data.get("name") if isinstance(data.get("name"), str) else default_name
    seeds = _seeds(section.seeds, base.get("seed", 0))
    if section.judge == "validation":
        tasks = [replace(task, section={**task.section, "development": True}) for task in tasks]
    cells = _cells(base, strategies, tasks, models, seeds, folder)
    resolved = {
        **data,
        "folder": str((folder / str(data.get("folder") or "")).resolve()),
        **({} if seed is None else {"seed": seed}),
        **({} if device is None else {"device": device}),
    }
    return Comparison(
        str(name), _labels(strategies), _labels(tasks), _labels(models), seeds, control, cells,
        section.judge, section.workers, resolved, tuple(notices),
    )  # fmt: skip


def _labels(entries: Sequence[_Entry]) -> tuple[str, ...]:
    return tuple(entry.label for entry in entries)


def _usual_control(strategies: Sequence[_Entry]) -> str:
    labels = [entry.label for entry in strategies]
    return "evomal" if "evomal" in labels or not labels else labels[0]


def _seeds(seeds: int | Sequence[int], first: Any) -> tuple[int, ...]:
    if isinstance(seeds, int):
        start = first if isinstance(first, int) else 0
        return tuple(range(start, start + seeds))
    return tuple(dict.fromkeys(seeds))


def _listed(
    document: Document, key: str, given: Sequence[Any] | None, single: str, faults: Faults
) -> list[_Entry]:
    """Return the tasks or models: those of `compare`, or else the recipe's single one."""
    if given is not None:
        if document.data.get(single) is not None:
            faults.add(
                document.key_place((single,)), single, f"give it under `compare.{key}`, not here as well."
            )
        return _entries(document, key, given, set(), faults)
    one = document.data.get(single)
    if one is None and single == "task":
        place = document.key_place((_KEY,))
        faults.add(place, "compare.tasks", "missing; name at least one, for example `tasks: [digits]`.")
        return []
    return _entries(document, key, [one or "mlp"], set(), faults)


def _entries(
    document: Document, key: str, given: Sequence[Any], own: set[str], faults: Faults
) -> list[_Entry]:
    entries = []
    for index, value in enumerate(given):
        path = (_KEY, key, index)
        place = document.value_place(path)
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, dict) or not (value.get("name") or value.get("import")):
            faults.add(
                place, dotted(path), f"expected a name, or a mapping with a `name`, got {describe(value)}."
            )
            continue
        label = str(value.get("label") or value.get("name") or value.get("import")).replace(":", ".")
        if not _LABEL.fullmatch(label):
            faults.add(
                place, dotted(path), f"expected a label of letters, digits, dots and hyphens, got '{label}'."
            )
            continue
        section = {k: v for k, v in value.items() if k != "label" and k not in own}
        sections = {k: v for k, v in value.items() if k in own}
        entries.append(_Entry(label, section, sections, ": ".join(filter(None, (place.text, dotted(path))))))
    for label, count in Counter(_labels(entries)).items():
        if count > 1:
            place = document.value_place((_KEY, key))
            message = (
                f"{count} entries are called '{label}'; give them labels: {{label: {label}-2, name: ...}}."
            )
            faults.add(place, f"compare.{key}", message)
    return entries


def _cells(
    base: Mapping[str, Any],
    strategies: Sequence[_Entry],
    tasks: Sequence[_Entry],
    models: Sequence[_Entry],
    seeds: Sequence[int],
    folder: Path,
) -> tuple[Cell, ...]:
    recipes: dict[tuple[str, str, str], Recipe] = {}
    problems: dict[str, None] = {}
    plugin_alone = True
    for strategy in strategies:
        for task in tasks:
            for model in models:
                mapping = copy.deepcopy(dict(base))
                mapping["strategy"], mapping["task"] = dict(strategy.section), dict(task.section)
                mapping["model"] = dict(model.section)
                for key, value in strategy.own.items():
                    old = mapping.get(key)
                    if isinstance(old, dict) and isinstance(value, dict) and not value.get("name"):
                        value = {**old, **value}
                    mapping[key] = value
                where = f"{strategy.place} with {task.label}, {model.label}"
                try:
                    recipes[strategy.label, task.label, model.label] = load_recipe(mapping, folder=folder)
                except RecipeError as error:
                    plugin_alone = False
                    problems |= {
                        f"{strategy.place} with {task.label}, {model.label}: {p}": None
                        for p in error.problems
                    }
                except PluginError as error:
                    problems[f"{where}: {error}"] = None
    if problems:
        if plugin_alone:
            raise PluginError("\n".join(problems))
        raise RecipeError(list(problems))
    cells = []
    for seed in seeds:
        for task in tasks:
            for model in models:
                for strategy in strategies:
                    recipe = recipes[strategy.label, task.label, model.label]
                    cell = Cell(strategy.label, task.label, model.label, seed, recipe)
                    cells.append(
                        replace(cell, recipe=replace(recipe, seed=seed, name=cell.name[-100:].strip("-._")))
                    )
    return tuple(cells)
