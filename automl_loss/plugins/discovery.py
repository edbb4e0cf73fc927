"""Discovery: which plugins are installed, known without importing any of them.

First list, then settle names, and only then load the one wanted (see `loading`). So a broken plugin harms no other, and
listing costs milliseconds.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
from types import MappingProxyType
from typing import Literal, Protocol

from automl_loss.errors import PluginError

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
ALLOWED = "AUTOLOSS_PLUGINS"
"""Environment variable: names of the third-party packages whose plugins count; empty for none, unset for all."""


class LocalEntry(Protocol):
    """A plugin named in a recipe by path: `{kind: strategy, name: mine, path: "./mine.py:Mine"}`."""

    @property
    def kind(self) -> PluginKind:
        """Which kind."""

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
        kind: which of the six kinds.
        name: as recipes write it.
        package: the distribution it comes from; `local` for one named by path.
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
        """Whether a recipe named it by path."""
        return self.package == "local"

    @property
    def origin(self) -> str:
        """Package and version for messages."""
        return f"{self.package} {self.version}".strip()

    @property
    def entry_point(self) -> EntryPoint:
        """As importlib.metadata and stevedore know it."""
        return EntryPoint(self.name, self.target, GROUPS[self.kind])


def installed_plugins() -> list[Plugin]:
    """All plugins of installed packages that `AUTOLOSS_PLUGINS` lets through, by kind, name and package.

    A distribution that is on the path twice (an editable install seen from its folder, say) counts once, where Python
    would import it from.
    """
    found: dict[tuple[str, str, str], Plugin] = {}
    seen: set[str] = set()
    allowed = _allowed()
    for distribution in distributions():
        package = _normal(distribution.metadata["Name"] or "")
        if not package or package in seen:
            continue
        seen.add(package)
        if allowed is not None and package not in allowed:
            continue
        for entry in distribution.entry_points:
            for kind, group in GROUPS.items():
                if entry.group == group:
                    plugin = Plugin(kind, entry.name, package, distribution.version, entry.value)
                    found[kind, entry.name, package] = plugin
    return [found[key] for key in sorted(found)]


def local_plugins(entries: Sequence[LocalEntry]) -> list[Plugin]:
    """Plugins that a recipe names by path."""
    return [Plugin(entry.kind, entry.name, "local", "", entry.path) for entry in entries]


def settle(plugins: Iterable[Plugin], kind: PluginKind, name: str) -> Plugin:
    """The one plugin that a name means.

    Args:
        plugins: all that there are.
        kind: which kind is wanted.
        name: a name, or `package:name` where two packages offer it.

    Raises:
        PluginError: there is none, or more than one.
    """
    package, _, short = name.rpartition(":")
    of_kind = [plugin for plugin in plugins if plugin.kind == kind]
    matching = [p for p in of_kind if p.name == short and (not package or p.package == _normal(package))]
    if len(matching) == 1:
        return matching[0]
    label = kind.replace("_", " ")
    if matching:
        rivals = " and ".join(f"{plugin.origin} ({plugin.target})" for plugin in matching)
        choices = " or ".join(f"{plugin.package}:{short}" for plugin in matching)
        raise PluginError(f"{label} {short!r} is offered by {rivals}; write {choices} to say which.")
    names = sorted({plugin.name for plugin in of_kind})
    close = difflib.get_close_matches(short, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    limit = f" ({ALLOWED} limits which packages count.)" if os.environ.get(ALLOWED) is not None else ""
    listing = ", ".join(names) or "none"
    raise PluginError(f"no {label} {name!r}.{hint} Installed: {listing}.{limit}")


def _allowed() -> set[str] | None:
    text = os.environ.get(ALLOWED)
    if text is None:
        return None
    return {SHIPPED, *(_normal(name) for name in text.split(",") if name.strip())}


def _normal(name: str) -> str:
    """Normalised distribution name (PEP 503)."""
    return "-".join(part for part in name.strip().lower().replace("_", "-").replace(".", "-").split("-") if part)
