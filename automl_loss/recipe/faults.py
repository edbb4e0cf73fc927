"""Collect the faults of a recipe with the places where they were written, and raise them all in file order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from automl_loss.errors import PluginError, RecipeError

KeyPath = tuple[str | int, ...]

_LONGEST_KEY = 300
_LONGEST_MESSAGE = 4000


@dataclass(frozen=True)
class Place:
    """The place in a recipe where a key or value was written.

    Args:
        text: as shown in messages: `recipe.yaml:7:11`, `-s strategy.population=50`, or empty for a Python mapping.
        order: sorts places: the file's first, then overrides as they were given.
    """

    text: str = ""
    order: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Fault:
    """One fault of a recipe.

    Args:
        place: where it was written.
        key: dotted path of the key, `training.steps`; empty for a fault of no single key.
        message: a sentence with the fault, the value seen and the accepted values.
        plugin: whether the cause is a missing or broken plugin, not the recipe's own text.
    """

    place: Place
    key: str
    message: str
    plugin: bool = False

    def __str__(self) -> str:
        parts = (self.place.text, _cut(self.key, _LONGEST_KEY), _cut(self.message, _LONGEST_MESSAGE))
        return ": ".join(part for part in parts if part)


def _cut(text: str, most: int) -> str:
    """Cut the middle out of a text that nobody could read, such as a key of a million letters."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


@dataclass
class Faults:
    """Collects the faults of one recipe."""

    found: list[Fault] = field(default_factory=list)

    def add(self, place: Place, key: str, message: str, *, plugin: bool = False) -> None:
        """Note one fault."""
        self.found.append(Fault(place, key, message, plugin))

    def raise_all(self) -> None:
        """Raise the faults found, in file order.

        Raises:
            RecipeError: when anything is wrong with the recipe itself.
            PluginError: when plugins are missing or broken and nothing else is wrong.
        """
        if not self.found:
            return
        ordered = sorted(self.found, key=lambda fault: fault.place.order)
        first: dict[tuple[Place, str], Fault] = {}
        for fault in ordered:  # keep the first fault of each key; the others follow from it
            first.setdefault((fault.place, fault.key), fault)
        lines = [str(fault) for fault in first.values()]
        if all(fault.plugin for fault in ordered):
            raise PluginError("\n".join(lines))
        raise RecipeError(lines)


def dotted(path: KeyPath) -> str:
    """Write a path with dots, as in messages.

    Example:
        >>> dotted(("plugins", 0, "name"))
        'plugins[0].name'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest a known word: `Did you mean 'x'?`, or list the known words when none is close.

    Example:
        >>> did_you_mean("step", ["steps", "lr"])
        "Did you mean 'steps'?"
        >>> did_you_mean("banana", ["steps", "lr"])
        'Known: lr, steps.'
    """
    words = sorted(set(known))
    close = get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known: {', '.join(words)}." if words else "None is known here."
