"""Discover the installed and local plugins, without importing any of them.

Plugins are listed, then a name is settled, and only then the plugin wanted is loaded (see `loading`). So a broken
plugin affects no other, and listing takes milliseconds.
"""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distribution, distributions
from types import MappingProxyType
from typing import Literal, Protocol

from automl_loss.errors import PluginError
from automl_loss.plugins.local import module_name

PluginKind = Literal["strategy", "primitive_set", "task", "evaluator", "model", "executor"]

GROUPS: Mapping[PluginKind, str] = MappingProxyType(
    {
        "strategy": "automl_loss.strategies",
        "primitive_set": "automl_loss.primitive_sets",
        "task": "automl_loss.tasks",
        "evaluator": "automl_loss.evaluators",
        "model": "automl_loss.models",
        "executor": "automl_loss.executors",
    }
)
"""Entry-point group of each plugin kind."""

SHIPPED = "automl-loss"
"""The distribution whose plugins are always listed."""

ALLOWED = "AUTOLOSS_PLUGINS"
"""Environment variable: names of the third-party packages whose plugins are listed; empty: none; unset: all."""

_KINDS = {group: kind for kind, group in GROUPS.items()}
LOCAL = "local"


class LocalEntry(Protocol):
    """A plugin named in a recipe by path: `{kind: strategy, name: mine, path: "./mine.py:Mine"}`."""

    @property
    def kind(self) -> PluginKind:
        """The plugin kind."""

    @property
    def name(self) -> str:
        """The name that the recipe uses."""

    @property
    def path(self) -> str:
        """`file.py:Class` or `package.module:Class`."""


@dataclass(frozen=True)
class Plugin:
    """A plugin before loading.

    Args:
        kind: one of the six plugin kinds.
        name: the name that recipes use.
        package: normalised name of its distribution; `local` for one named by path.
        version: of the package; empty for a local plugin.
        target: `module:Class`, or `file.py:Class` for a local plugin.
    """

    kind: PluginKind
    name: str
    package: str
    version: str
    target: str

    @property
    def is_local(self) -> bool:
        """Whether a recipe names it by path."""
        return self.package == LOCAL and not self.version

    @property
    def origin(self) -> str:
        """Its package and version, or its path, for messages."""
        return (
            f"the recipe's `plugins:` ({self.target})" if self.is_local else f"{self.package} {self.version}"
        )

    @property
    def entry_point(self) -> EntryPoint:
        """The entry point for stevedore; `plugins.local` gives the module name of a file."""
        file, _, attribute = self.target.rpartition(":")
        target = f"{module_name(file)}:{attribute}" if file.endswith(".py") else self.target
        return EntryPoint(self.name, target, GROUPS[self.kind])

    def __str__(self) -> str:
        return f"{label(self.kind)} {self.name!r} of {self.origin}"


def label(kind: PluginKind) -> str:
    """Return a kind's name as used in a sentence."""
    return kind.replace("_", " ")


def installed_plugins() -> list[Plugin]:
    """List the plugins of installed packages that `AUTOLOSS_PLUGINS` allows, by kind, name and package.

    A distribution that is on the path twice (installed, and seen from its checkout, say) counts once: the
    copy that Python would import. One whose metadata cannot be read is left out with a warning.
    """
    allowed = _allowed()
    found: dict[str, set[Plugin]] = {}
    for each in distributions():
        if "automl_loss." not in (each.read_text("entry_points.txt") or ""):
            continue
        try:
            package = _normal(each.metadata["Name"])
            if package not in found and (allowed is None or package in allowed):
                found[package] = set(_plugins_of(package, distribution(package)))
        except Exception as error:  # metadata is a text file that anyone may have written
            warnings.warn(
                f"the plugins of {getattr(each, '_path', each)} are left out, since its metadata cannot be "
                f"read ({type(error).__name__}: {error}); install the package again.",
                stacklevel=2,
            )
    order = list(GROUPS)
    plugins = [plugin for of_package in found.values() for plugin in of_package]
    return sorted(plugins, key=lambda p: (order.index(p.kind), p.name, p.package, p.target))


def local_plugins(entries: Sequence[LocalEntry]) -> list[Plugin]:
    """Return the plugins that a recipe names by path."""
    return [Plugin(entry.kind, entry.name, LOCAL, "", entry.path) for entry in entries]


def settle(plugins: Iterable[Plugin], kind: PluginKind, name: str) -> Plugin:
    """Return the one plugin that a name stands for.

    Args:
        plugins: all known plugins.
        kind: the plugin kind wanted.
        name: a name, or `package:name` where two packages offer it (`local:name` for a local plugin).

    Raises:
        PluginError: there is none, or more than one.
    """
    package, _, short = name.rpartition(":")
    known = list(plugins)
    matching = [
        plugin
        for plugin in known
        if plugin.kind == kind
        and plugin.name == short
        and (not package or plugin.package == _normal(package))
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise PluginError(_ambiguous(kind, short, matching))
    raise PluginError(_missing(kind, name, known))


def _ambiguous(kind: PluginKind, name: str, rivals: Sequence[Plugin]) -> str:
    offers = " and by ".join(
        plugin.origin if plugin.is_local else f"{plugin.origin} ({plugin.target})" for plugin in rivals
    )
    choices = list(dict.fromkeys(f"{plugin.package}:{name}" for plugin in rivals))
    if len(choices) > 1:
        remedy = f"Write {' or '.join(repr(choice) for choice in choices)} to say which."
    elif rivals[0].is_local:
        remedy = "Give each a name of its own."
    else:
        remedy = f"That is a fault of {rivals[0].package}: names must be unique within a package and kind."
    return f"{label(kind)} {name!r} is offered by {offers}. {remedy}"


def _missing(kind: PluginKind, name: str, known: Sequence[Plugin]) -> str:
    short = name.rpartition(":")[2]
    names = sorted({plugin.name for plugin in known if plugin.kind == kind})
    elsewhere = [label(plugin.kind) for plugin in known if plugin.name == short and plugin.kind != kind]
    of_packages = [f"{plugin.package}:{plugin.name}" for plugin in known if plugin.kind == kind]
    close = difflib.get_close_matches(name, of_packages if ":" in name else names, n=1)
    if not close:
        close = difflib.get_close_matches(short, names, n=1)
    sentences = [f"no {label(kind)} {name!r}."]
    if close:
        sentences.append(f"Did you mean {close[0]!r}?")
    elif elsewhere:
        sentences.append(f"There is a plugin of that name, but its kind is {elsewhere[0]}.")
    sentences.append(f"Installed: {', '.join(names) or 'none'}.")
    if os.environ.get(ALLOWED) is not None:
        sentences.append(f"{ALLOWED}={os.environ[ALLOWED]!r} limits which packages count.")
    return " ".join(sentences)


def _plugins_of(package: str, source: Distribution) -> list[Plugin]:
    return [
        Plugin(_KINDS[entry.group], entry.name, package, source.version, entry.value)
        for entry in source.entry_points
        if entry.group in _KINDS
    ]


def _allowed() -> set[str] | None:
    text = os.environ.get(ALLOWED)
    if text is None:
        return None
    return {SHIPPED, *(_normal(name) for name in text.split(",") if name.strip())}


def _normal(name: str) -> str:
    """Normalise a distribution name: lower case, runs of `-`, `_` and `.` as one `-` (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
