"""Use a strategy handed over in Python, as a class or an object, in place of a plugin's name in a recipe."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from automl_loss.errors import PluginError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.contract import check_class
from automl_loss.plugins.discovery import Plugin, installed_plugins
from automl_loss.plugins.outcome import Outcome
from automl_loss.plugins.strategy import SearchStrategy

PLACEHOLDER = f"{__name__}:HandedOver"
"""The path that a recorded recipe gives for a strategy that only a Python program can hand over."""
_NOT_HERE = (
    "it was handed over in Python, as an object or a class that cannot be imported, so a recipe alone cannot make it; "
    "go on by automl_loss.run(recipe, strategy=<a fresh one>, directory=..., resume=True)"
)


@dataclass(frozen=True)
class Handed:
    """A strategy that was handed over, as a plugin.

    Args:
        name: the name for the recipe's `strategy` section.
        path: of the local plugin that the recipe needs; `None` for the class of an installed plugin.
        cls: the strategy class.
    """

    name: str
    path: str | None
    cls: type[SearchStrategy]

    @property
    def plugin(self) -> Plugin:
        """The plugin before loading, as if a recipe had named it by path."""
        return Plugin("strategy", self.name.removeprefix("local:"), "local", "", self.path or "")


class HandedOver(SearchStrategy):
    """Stands in a recorded recipe for a strategy that was handed over in Python and cannot be imported."""

    plugin_api = 1

    class Config(PluginConfig):
        """Accepts any options, which the recorded recipe keeps."""

        model_config = ConfigDict(extra="allow")

    @classmethod
    def check(cls, config: Any, problem: Problem) -> list[str]:
        """Return the reason why it never applies: the strategy is not available."""
        return [_NOT_HERE]

    def ask(self) -> list[Candidate]:
        """See `check`, which no run gets past."""
        raise PluginError(f"strategy: {_NOT_HERE}")

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `check`, which no run gets past."""
        raise PluginError(f"strategy: {_NOT_HERE}")


def hand_over(strategy: object) -> Handed:
    """Turn the strategy that was given to `automl_loss.run` into a plugin that a recipe can name.

    The class of an installed plugin goes by the plugin's name. Another class that can be imported becomes a local
    plugin by path, so that the run can be resumed from the command line. For any other class, and for an object, the
    recipe names `HandedOver` instead.

    Args:
        strategy: a class derived from `SearchStrategy`, or an object with `ask` and `tell`.

    Raises:
        PluginError: it is neither, or the class breaks the contract.
    """
    installed = [plugin for plugin in installed_plugins() if plugin.kind == "strategy"]
    if not isinstance(strategy, type):
        if not all(callable(getattr(strategy, method, None)) for method in ("ask", "tell")):
            raise PluginError(_neither(strategy))
        return Handed(_name(type(strategy), installed), PLACEHOLDER, _class_around(strategy))
    if not issubclass(strategy, SearchStrategy):
        raise PluginError(_neither(strategy))
    target = f"{strategy.__module__}:{strategy.__qualname__}"
    for plugin in installed:
        if plugin.target == target:
            alone = [each.name for each in installed].count(plugin.name) == 1
            return Handed(plugin.name if alone else f"{plugin.package}:{plugin.name}", None, strategy)
    name = _name(strategy, installed)
    check_class(Plugin("strategy", name, "local", "", target), strategy)
    return Handed(name, _path(strategy) or PLACEHOLDER, strategy)


def _neither(strategy: object) -> str:
    said = (
        f"strategy: expected a class derived from automl_loss.SearchStrategy, or an object with `ask` and `tell`, got "
        f"{strategy!r:.80}."
    )
    if isinstance(strategy, str):
        return f"{said} An installed strategy is named in the recipe: `strategy: {{name: {strategy}}}`."
    if isinstance(strategy, type) and hasattr(strategy, "ask") and hasattr(strategy, "tell"):
        return f"{said} Derive the class, or hand over an object of it."
    return said


def _name(cls: type[Any], installed: Sequence[Plugin]) -> str:
    """Return a name that recipes allow and that no installed plugin has."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", cls.__name__).strip("-._") or "strategy"
    return f"local:{name}" if any(plugin.name == name for plugin in installed) else name


def _path(cls: type[Any]) -> str | None:
    """Return the path at which another process finds the class; `None` when it cannot.

    A module at the top level is named by its file, which needs no `sys.path`. The main program is left out: importing
    it might run it.
    """
    module, name = sys.modules.get(cls.__module__), cls.__qualname__
    file = getattr(module, "__file__", None)
    if cls.__module__ == "__main__" or file is None or getattr(module, name, None) is not cls:
        return None
    if not name[0].isascii():  # no path that recipes allow
        return None
    if "." not in cls.__module__ and file.endswith(".py"):
        return f"{Path(file).resolve()}:{name}"
    return f"{cls.__module__}:{name}"


def _class_around(thing: Any) -> type[SearchStrategy]:
    """Make a strategy class whose instance delegates to the object."""

    class Around(HandedOver):
        """An object that was handed over."""

        default_evaluator = getattr(thing, "default_evaluator", SearchStrategy.default_evaluator)

        class Config(PluginConfig):
            """No options: an object has its own."""

        @classmethod
        def check(cls, config: Any, problem: Problem) -> list[str]:
            """Call the `check` of the object's class, if that is a strategy class."""
            return type(thing).check(thing.config, problem) if isinstance(thing, SearchStrategy) else []

        def ask(self) -> list[Candidate]:
            """The object's."""
            found: list[Candidate] = thing.ask()
            return found

        def tell(self, outcomes: Sequence[Outcome]) -> None:
            """The object's."""
            thing.tell(outcomes)

    Around.__name__ = type(thing).__name__
    return Around
