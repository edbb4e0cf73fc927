"""Apply changes from the command line to a recipe: `-s strategy.population=50`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl_loss.errors import RecipeError
from automl_loss.recipe import yaml
from automl_loss.recipe.document import Document
from automl_loss.recipe.faults import Faults, Place
from automl_loss.recipe.messages import describe
from automl_loss.recipe.sections import SECTIONS, SectionKind

_BY_KEY = {section.key: section for section in SECTIONS}
_PRESETS: dict[str, dict[str, Any]] = {
    "published": {
        "steps": 250,
        "lr": 1e-3,
        "inner_steps": 1,
        "gradient": "exact",
        "states": "initial",
        "refused": "exact",
    },
    "none": {"steps": 0},
}


@dataclass(frozen=True)
class Override:
    """One parsed `key=value`."""

    path: tuple[str, ...]
    value: Any
    place: Place

    @property
    def chosen(self) -> SectionKind | None:
        """The section whose plugin it chooses, or `None`."""
        section = _BY_KEY.get(self.path[0])
        if section and (len(self.path) == 1 or (len(self.path) == 2 and self.path[1] in section.choosers)):
            return section
        return None


def parse(texts: Sequence[str], faults: Faults) -> list[Override]:
    """Parse overrides; those that choose plugins come first, the strategy before its evaluator.

    Args:
        texts: `key=value` each, value in YAML: `training.rungs=[250,500]`.
        faults: collects those that are malformed.
    """
    overrides = []
    for index, text in enumerate(texts):
        place = Place(f"-s {text}", (1, index, 0))
        key, equals, value = text.partition("=")
        path = tuple(key.strip().split("."))
        if not equals or not all(path):
            faults.add(place, "", "expected key=value with a dotted key, such as -s strategy.population=50.")
            continue
        try:
            overrides.append(Override(path, yaml.parse_value(value), place))
        except RecipeError as error:
            faults.add(place, "", str(error))
    return sorted(overrides, key=lambda o: (o.chosen is None, o.path[0] != "strategy"))


def expand(document: Document) -> None:
    """Write out the sections that a recipe may abbreviate: `strategy: evomal`, `tuning: published`."""
    for section in SECTIONS:
        value = document.get((section.key,))
        if isinstance(value, str) and value:
            _write_out(document, (section.key,), "name", value)
    preset = document.get(("tuning",))
    if isinstance(preset, str) and preset in _PRESETS:
        place = document.value_place(("tuning",))
        document.set(("tuning",), {}, place)
        for key, value in _PRESETS[preset].items():
            document.set(("tuning", key), value, place)


def apply(document: Document, overrides: Sequence[Override], faults: Faults) -> list[str]:
    """Apply overrides to a document in place.

    Choosing another plugin drops the old one's own options; choosing another strategy drops the evaluator, too.

    Returns:
        Notices that name the dropped options.
    """
    notices = []
    for override in overrides:
        section = override.chosen
        path, value = override.path, override.value
        if section and len(path) == 1 and isinstance(value, str):
            path = (section.key, "name")
        if section and (notice := _drop(document, section, path, value, override.place)):
            notices.append(notice)
        try:
            document.set(path, value, override.place)
        except TypeError as error:
            found = describe(document.get(tuple(str(error).split("."))))
            faults.add(
                override.place, ".".join(path), f"{error} is {found}, which has no keys; override it whole."
            )
        expand(document)
    return notices


def _drop(
    document: Document, section: SectionKind, path: tuple[str, ...], value: Any, place: Place
) -> str | None:
    """Drop the options of the plugin that was chosen before, if it was another."""
    old = document.get((section.key,))
    old = old if isinstance(old, dict) else {}
    was = _label(old, section)
    if (_label(value, section) if isinstance(value, dict) else value) == was:
        return None
    options = [key for key in old if key not in section.common_keys and key not in section.choosers]
    for key in (*options, *section.choosers):
        document.remove((section.key, key))
    dropped = [", ".join(options)] if options else []
    if section.key == "strategy" and document.get(("evaluator",)) is not None:
        document.remove(("evaluator",))
        dropped.append("the evaluator")
    if not dropped:
        return None
    return f"{place.text} drops what belonged to the {section.kind} {was}: {' and '.join(dropped)}."


def _label(data: dict[str, Any], section: SectionKind) -> Any:
    return next((data[key] for key in section.choosers if data.get(key)), section.default)


def _write_out(document: Document, path: tuple[str, ...], key: str, value: str) -> None:
    place = document.value_place(path)
    key_place = document.key_place(path)
    document.set(path, {key: value}, place)
    document.keys[path] = key_place
    document.values[(*path, key)] = place
