"""Load a validated `Recipe` from a file, a shipped recipe's name or a mapping."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_loss.errors import RecipeError
from automl_loss.plugins.discovery import PluginKind
from automl_loss.plugins.python_strategy import Handed, hand_over
from automl_loss.recipe import overrides as changes
from automl_loss.recipe import yaml
from automl_loss.recipe.core_sections import General, LocalPlugin
from automl_loss.recipe.crosschecks import check_metric_name, check_together
from automl_loss.recipe.document import Document, from_mapping
from automl_loss.recipe.faults import Faults, Place, did_you_mean
from automl_loss.recipe.messages import describe, validate
from automl_loss.recipe.recipe import Recipe
from automl_loss.recipe.requirements import check_requirements
from automl_loss.recipe.section_reader import PluginSource, SectionReader
from automl_loss.recipe.sections import SECTIONS, TASKS, Choice, Loaded, TaskChoice
from automl_loss.recipe.shipped import shipped_recipe, shipped_recipes

_MOST_BYTES = 1_000_000
_EXAMPLE = "for example `task: {name: digits}`"


def load_recipe(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    seed: int | None = None,
    device: str | None = None,
    strategy: object | None = None,
    plugins: Callable[[Sequence[LocalPlugin]], PluginSource] | None = None,
    folder: Path | None = None,
) -> Recipe:
    """Read and validate a recipe, and fill in every default.

    Args:
        source: a file, the name of a shipped recipe, or a mapping with the keys of a recipe.
        overrides: `key=value` each, value in YAML: `strategy.population=50`. Overriding `strategy.name` drops
            the old strategy's options and its evaluator, and says so in `Recipe.notices`.
        seed: replaces the recipe's.
        device: replaces the recipe's.
        strategy: replaces the recipe's: a class derived from `SearchStrategy`, whose options are those of a
            `strategy` section that names none; or an object with `ask` and `tell`, as of `automl_loss.run`.
        plugins: makes the source of plugin classes from the recipe's local plugins; by default those and the
            installed ones.
        folder: where relative paths of a mapping start from; default: the working directory.

    Raises:
        RecipeError: anything is wrong with the recipe; it carries every fault with its place.
        PluginError: plugins are missing or broken, and nothing else is wrong.

    Example:
        >>> recipe = load_recipe({"task": {"name": "digits"}}, ["training.steps=100"])  # doctest: +SKIP
        >>> recipe.training.steps  # doctest: +SKIP
        100
    """
    faults = Faults()
    document, default_name, home = read_document(source, faults)
    if "compare" in document.data:
        place = document.key_place(("compare",))
        raise RecipeError(
            f"{place.text or source}: compare: this recipe is a comparison; use `autoloss compare`."
        )
    changes.expand(document)
    given = changes.parse(overrides, faults)
    if seed is not None:
        given.append(changes.Override(("seed",), seed, Place("--seed", (2, 0, 0))))
    if device is not None:
        given.append(changes.Override(("device",), device, Place("--device", (2, 1, 0))))
    handed = None if strategy is None else hand_over(strategy)
    if handed is not None:
        given = [*_choose(handed, document, given, faults), *given]
    notices = changes.apply(document, given, faults)
    return _resolve(document, default_name, folder or home, plugins or _installed, handed, notices, faults)


def _choose(
    handed: Handed, document: Document, given: Sequence[changes.Override], faults: Faults
) -> list[changes.Override]:
    """Make a document name the strategy that was handed over; return the override that this needs, if any.

    A section that names no strategy gives its options. A section that names another is overridden as by `-s`.
    """
    for override in given:
        if override.chosen is not None and override.path[0] == "strategy":
            faults.add(
                override.place, "strategy", "a strategy is handed over already; give one or the other."
            )
    place = Place(f"strategy={handed.cls.__name__}", (2, 2, 0))
    section = document.get(("strategy",))
    if section is None or (isinstance(section, dict) and section.get("name") is None):
        document.set(("strategy", "name"), handed.name, place)
        return []
    return [changes.Override(("strategy", "name"), handed.name, place)]


def _resolve(
    document: Document,
    default_name: str,
    folder: Path,
    plugins: Callable[[Sequence[LocalPlugin]], PluginSource],
    handed: Handed | None,
    notices: list[str],
    faults: Faults,
) -> Recipe:
    plugin_keys = {*(section.key for section in SECTIONS), TASKS}
    own = {key: value for key, value in document.data.items() if key not in plugin_keys}
    own.setdefault("name", default_name)
    if isinstance(own.get("tuning"), str):
        message = f"expected 'published', 'none' or a mapping, got {describe(own.pop('tuning'))}."
        faults.add(document.value_place(("tuning",)), "tuning", message)
    general = validate(General, own, document, (), faults, plugin_keys)
    check_requirements(document, faults)
    if general is not None and general.folder is not None:
        folder = folder / general.folder
    if general is not None:
        notices += check_together(general, document, faults)
    local = _local_plugins(document, folder)
    source = plugins(local)
    if handed is not None and handed.path is not None:
        entry = LocalPlugin(kind="strategy", name=handed.plugin.name, path=handed.path)
        local += [entry] if entry not in local else []
        source = _WithHanded(source, handed)

    reader = SectionReader(document, source, faults, folder)
    choices: dict[str, Choice | None] = {}
    common: dict[str, Any] = {}
    tasks = _tasks(document, reader, faults)
    for section in SECTIONS:
        if section.key == "task" and TASKS in document.data:
            first = tasks[0] if tasks else None
            choices["task"], common["task"] = (first.choice, first.options) if first else (None, None)
            continue
        default = None
        if section.key == "evaluator":
            strategy = choices["strategy"]
            default = strategy.cls.default_evaluator if strategy else None
            if strategy is None and not _names_plugin(document.get(("evaluator",))):
                continue  # the strategy decides which evaluator it is
        choices[section.key], common[section.key] = reader.read(section, default)
    if TASKS not in document.data and common["task"] is not None:
        check_metric_name(common["task"], document, faults)
    if TASKS in document.data and general is not None and general.training.rungs:
        message = "racing compares within one task; leave the rungs out with several tasks."
        faults.add(document.value_place(("training", "rungs")), "training.rungs", message)
    faults.raise_all()
    assert general is not None
    fields = {key: getattr(general, key) for key in General.model_fields}
    fields |= {"plugins": tuple(local), "folder": folder}
    return Recipe(
        **fields,
        **choices,  # type: ignore[arg-type]  # no fault was found, so no choice is missing
        task_options=common["task"],
        executor_options=common["executor"],
        notices=tuple(notices),
        tasks=tuple(tasks),
    )


@dataclass(frozen=True)
class _WithHanded:
    """A source of plugin classes that adds the strategy that was handed over."""

    source: PluginSource
    handed: Handed

    def load(self, kind: PluginKind, name: str) -> Loaded:
        """See `PluginSource.load`."""
        if (kind, name) == ("strategy", self.handed.name):
            return self.handed
        return self.source.load(kind, name)


def _tasks(document: Document, reader: SectionReader, faults: Faults) -> list[TaskChoice]:
    """Read the tasks of `tasks:`; faults are noted."""
    entries = document.data.get(TASKS)
    if TASKS not in document.data:
        return []
    place = document.key_place((TASKS,))
    if document.data.get("task") is not None:
        faults.add(document.key_place(("task",)), "task", "give `task` or `tasks`, not both.")
    if not isinstance(entries, list) or len(entries) < 2:
        example = "`tasks: [{name: digits}, {name: wine}]`"
        faults.add(
            place, TASKS, f"expected a list of two or more tasks, such as {example}, got {describe(entries)}."
        )
        return []
    section = next(section for section in SECTIONS if section.key == "task")
    tasks = []
    for index in range(len(entries)):
        choice, options = reader.read(section, None, (TASKS, index))
        if options is not None:
            check_metric_name(options, document, faults, (TASKS, index))
        if choice is not None and options is not None:
            tasks.append(TaskChoice(choice, options))
    return tasks


def _names_plugin(section: Any) -> bool:
    return isinstance(section, dict) and bool(section.get("name"))


def recipe_data(source: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """Read a recipe or a comparison as plain data; no plugin is looked for, and nothing is imported.

    Args:
        source: as in `load_recipe`.

    Raises:
        RecipeError: there is no such file, or it is no YAML mapping.
    """
    faults = Faults()
    document, default_name, _ = read_document(source, faults)
    faults.raise_all()
    return {"name": default_name, **document.data}


def read_document(source: str | Path | Mapping[str, Any], faults: Faults) -> tuple[Document, str, Path]:
    """Return the document, the default name, and the folder that relative paths start from."""
    if isinstance(source, Mapping):
        return from_mapping(source, faults), "run", Path.cwd()
    path, label = Path(source), str(source)
    if not path.exists() and isinstance(source, str) and re.fullmatch(r"[\w/-]+", source):
        shipped = {recipe.name for recipe in shipped_recipes()}
        if source not in shipped:
            raise RecipeError(
                f"{source}: no such file, and no shipped recipe of that name. {did_you_mean(source, shipped)}"
            )
        path = shipped_recipe(source).path
        label = path.name
    default_name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "run"
    return yaml.parse(_text(path, label), label, faults), default_name, path.resolve().parent


def _text(path: Path, label: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        names = ", ".join(recipe.name for recipe in shipped_recipes())
        raise RecipeError(f"{label}: no such file. Shipped recipes, by name: {names}.") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{label}: cannot be read: {reason}.") from None
    if len(data) > _MOST_BYTES:
        raise RecipeError(f"{label}:1:1: larger than {_MOST_BYTES:,} bytes, which is no recipe.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise RecipeError(
            f"{label}:{line}:{column}: not UTF-8 text; a recipe is a YAML file, {_EXAMPLE}."
        ) from None


def _local_plugins(document: Document, folder: Path) -> list[LocalPlugin]:
    """Return the valid entries of `plugins:`, with absolute file paths."""
    entries = document.data.get("plugins")
    local = []
    for entry in entries if isinstance(entries, list) else []:
        plugin = validate(LocalPlugin, entry, document, (), Faults())
        if plugin is not None:
            file, _, attribute = plugin.path.rpartition(":")
            if file.endswith(".py"):
                plugin = plugin.model_copy(update={"path": f"{(folder / file).resolve()}:{attribute}"})
            local.append(plugin)
    return local


def _installed(local: Sequence[LocalPlugin]) -> PluginSource:
    from automl_loss.plugins.loading import Registry

    return Registry(local)
