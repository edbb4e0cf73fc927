"""Define `Document`, a recipe before validation: plain data with the place where each key and value was written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np

from automl_loss.recipe.faults import Faults, KeyPath, Place, dotted


@dataclass
class Document:
    """Nested dicts, lists and scalars, and where each was written.

    Args:
        data: the root mapping.
        keys: place of each key by its path.
        values: place of each value by its path; `()` is the root.
    """

    data: dict[str, Any] = field(default_factory=dict)
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)

    def key_place(self, path: KeyPath) -> Place:
        """Return where the key was written, or else the nearest section that contains it."""
        return self.keys.get(path) or self.value_place(path)

    def value_place(self, path: KeyPath) -> Place:
        """Return where the value was written, or else the nearest section that contains it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Place())

    def get(self, path: KeyPath) -> Any:
        """Return the value at a path, or `None`."""
        value: Any = self.data
        for part in path:
            if isinstance(part, int):
                value = value[part] if isinstance(value, list) and part < len(value) else None
            else:
                value = value.get(part) if isinstance(value, dict) else None
        return value

    def set(self, path: tuple[str, ...], value: Any, place: Place) -> None:
        """Put a value at a path; missing and null sections on the way are made.

        Raises:
            TypeError: a value on the way is neither a mapping nor null.
        """
        section = self.data
        for depth, part in enumerate(path[:-1], start=1):
            if section.get(part) is None:
                section[part] = {}
                self._put(path[:depth], place)
            if not isinstance(section[part], dict):
                raise TypeError(dotted(path[:depth]))
            section = section[part]
        section[path[-1]] = value
        self._put(path, place)

    def remove(self, path: KeyPath) -> None:
        """Remove the key at a path, if there is one."""
        section = self.get(path[:-1])
        if isinstance(section, dict):
            section.pop(path[-1], None)
        self._forget(path)

    def _put(self, path: KeyPath, place: Place) -> None:
        self._forget(path)
        self.keys[path] = self.values[path] = place

    def _forget(self, path: KeyPath) -> None:
        for places in (self.keys, self.values):
            for known in [known for known in places if known[: len(path)] == path]:
                del places[known]


def from_mapping(mapping: Mapping[str, Any], faults: Faults) -> Document:
    """Make a document of a Python mapping; its places have an order but no text.

    Tuples count as lists, paths as text, numpy scalars as Python numbers.
    """
    document = Document()

    def plain(value: Any, path: KeyPath) -> Any:
        place = document.values[path] = Place("", (0, len(document.values), 0))
        if isinstance(value, Mapping):
            result = {}
            for key, item in value.items():
                if not isinstance(key, str):
                    faults.add(place, dotted(path), f"keys must be text, got {key!r}.")
                    continue
                result[key] = plain(item, (*path, key))
                document.keys[(*path, key)] = document.values[(*path, key)]
            return result
        if isinstance(value, list | tuple):
            return [plain(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, PurePath):
            value = str(value)
        if value is not None and not isinstance(value, bool | int | float | str):
            faults.add(place, dotted(path), f"expected plain data as in YAML, got a {type(value).__name__}.")
            return None
        if complaint := scalar_complaint(value):
            faults.add(place, dotted(path), complaint)
            return None
        return value

    document.data = plain(mapping, ())
    return document


def scalar_complaint(value: Any) -> str | None:
    """Return why a scalar is not allowed in a recipe, such as text that no file can hold; `None` if it is allowed."""
    if isinstance(value, float) and math.isnan(value):
        return "not-a-number is not accepted; leave the key out for its default."
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "expected an integer within 64 bits."
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        return f"expected Unicode text, got {value!r}."
    return None
