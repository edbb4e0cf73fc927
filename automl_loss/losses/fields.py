"""Check plain data field by field, with errors that name the place: `loss.weights[3]: must be a finite number`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_SHOWN = 60


class Fields:
    """A mapping of plain data, as JSON gives it, whose fields are taken one after the other.

    Types are strict: a text is no number, and a truth value is no number either.

    Args:
        data: anything; it must be a mapping.
        place: path of the mapping, e.g. `loss`; empty for the root.

    Raises:
        ValueError: in every method, when a field is missing, has a wrong type or is out of bounds; the message
            starts with the field's path and ends with what is accepted.
    """

    def __init__(self, data: object, place: str = "") -> None:
        self._place = place
        if not isinstance(data, Mapping):
            raise self._wrong(place or "the file", "a mapping of names to values", data)
        self._data = data
        self._taken: set[str] = set()

    def has(self, name: str) -> bool:
        """Return whether the field is there."""
        return name in self._data

    def anything(self, name: str) -> Any:
        """Take a value, unchecked."""
        self._taken.add(name)
        if name not in self._data:
            raise ValueError(f"{self._at(name)}: is missing.")
        return self._data[name]

    def section(self, name: str) -> Fields:
        """Take a mapping."""
        return Fields(self.anything(name), self._at(name))

    def plain(self) -> dict[str, Any]:
        """Return the whole mapping, unchecked."""
        return dict(self._data)

    def text(self, name: str, longest: int = 100_000) -> str:
        """Take a text of at most so many characters."""
        value = self.anything(name)
        if not isinstance(value, str):
            raise self._wrong(self._at(name), "a text", value)
        if len(value) > longest:
            raise ValueError(
                f"{self._at(name)}: must be a text of at most {longest:,} characters but has {len(value):,}."
            )
        return value

    def choice(self, name: str, accepted: Sequence[str]) -> str:
        """Take one of the accepted texts."""
        value = self.anything(name)
        if not isinstance(value, str) or value not in accepted:
            raise self._wrong(self._at(name), f"one of {', '.join(map(repr, accepted))}", value)
        return value

    def printable(self, name: str, longest: int) -> str:
        """Take a text that may be shown on a terminal."""
        value = self.text(name, longest)
        if not value.isprintable():
            raise self._wrong(self._at(name), "a text of printable characters", value)
        return value

    def flag(self, name: str) -> bool:
        """Take true or false."""
        value = self.anything(name)
        if not isinstance(value, bool):
            raise self._wrong(self._at(name), "true or false", value)
        return value

    def number(self, name: str, *, finite: bool = True) -> float:
        """Take a number."""
        return _number(self.anything(name), self._at(name), finite)

    def numbers(self, name: str, *, finite: bool = True) -> tuple[float, ...]:
        """Take a list of numbers."""
        place = self._at(name)
        return tuple(
            [_number(each, f"{place}[{i}]", finite) for i, each in enumerate(self._list(name, "numbers"))]
        )

    def whole(self, name: str, low: int, high: int) -> int:
        """Take a whole number within bounds, both included."""
        return _whole(self.anything(name), self._at(name), low, high)

    def wholes(self, name: str, low: int, high: int, longest: int) -> tuple[int, ...]:
        """Take a list of at most so many whole numbers within bounds, both included."""
        values = self._list(name, "whole numbers")
        if len(values) > longest:
            raise ValueError(
                f"{self._at(name)}: must be a list of at most {longest:,} numbers but has {len(values):,}."
            )
        return tuple(_whole(each, f"{self._at(name)}[{i}]", low, high) for i, each in enumerate(values))

    def shares(self, name: str) -> tuple[float, ...]:
        """Take a list of numbers from 0 to 1; an empty one when the field is missing."""
        if not self.has(name):
            return ()
        values = self.numbers(name)
        for place, value in enumerate(values):
            if not 0.0 <= value <= 1.0:
                raise self._wrong(f"{self._at(name)}[{place}]", "a share from 0 to 1", value)
        return values

    def end(self) -> None:
        """Refuse the fields that were not taken."""
        for name in self._data:
            if name not in self._taken:
                accepted = ", ".join(sorted(self._taken))
                raise ValueError(
                    f"{self._place or 'the file'}: unknown field {shown(name)}; there are {accepted}."
                )

    def _list(self, name: str, of: str) -> Sequence[Any]:
        value = self.anything(name)
        if not isinstance(value, list | tuple):
            raise self._wrong(self._at(name), f"a list of {of}", value)
        return value

    def _at(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name

    @staticmethod
    def _wrong(place: str, accepted: str, value: object) -> ValueError:
        return ValueError(f"{place}: must be {accepted} but is {shown(value)}.")


def shown(value: object) -> str:
    """Return a value as an error shows it: short, whatever it is."""
    if isinstance(value, Mapping):
        return f"a mapping of {len(value):,} fields"
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,} items"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a whole number of {value.bit_length():,} bits"
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]!r}... of {len(value):,} characters"
    return repr(value)


def _number(value: object, place: str, finite: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fields._wrong(place, "a number", value)
    try:
        number = float(value)
    except OverflowError:
        raise Fields._wrong(place, "a number in double precision", value) from None
    if finite and not math.isfinite(number):
        raise Fields._wrong(place, "a finite number", value)
    return number


def _whole(value: object, place: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Fields._wrong(place, f"a whole number from {low:,} to {high:,}", value)
    return value
