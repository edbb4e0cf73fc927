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
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, distributions
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

from automl_loss.errors import PluginError
from automl_loss.plugins.import_path import is_object_path
from automl_loss.plugins.local import module_name
from automl_loss.tolerant_metadata import strict_entry_points

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
_FILE = "entry_points.txt"
_UNKNOWN = "unknown"


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


@dataclass(frozen=True)
class Damage:
    """A part of an installation that cannot be used; it harms nothing else.

    Args:
        package: name of the distribution, as far as it can be read.
        version: of the distribution, or `unknown`.
        text: what is wrong, with place and remedy.
        plugins: whether plugins of automl-loss are left out for it.
    """

    package: str
    version: str
    text: str
    plugins: bool

    def __str__(self) -> str:
        return f"{self.package} {self.version}: {self.text}"


@dataclass(frozen=True)
class Survey:
    """The installed plugins, and what of the installation cannot be used.

    Args:
        plugins: those that `AUTOLOSS_PLUGINS` allows, by kind, name and package.
        damages: in the order of the path.
    """

    plugins: tuple[Plugin, ...]
    damages: tuple[Damage, ...]


def installed_plugins() -> list[Plugin]:
    """List the plugins of installed packages that `AUTOLOSS_PLUGINS` allows, by kind, name and package.

    A distribution that is on the path twice (installed, and seen from its checkout, say) counts once: the
    copy that Python would import. What cannot be read is left out with a warning; see `survey`.
    """
    found = survey()
    warn_of(found.damages)
    return list(found.plugins)


def warn_of(damages: Iterable[Damage]) -> None:
    """Warn of plugins that are left out."""
    for damage in damages:
        if damage.plugins:
            warnings.warn(damage.text, stacklevel=3)


def survey() -> Survey:
    """Look at every installed distribution, import none, and tell plugins from damages.

    A distribution whose files cannot be read or parsed, or that has no name, offers nothing; of one with an entry
    point that names no class, or whose name no recipe can write, the others count.
    """
    allowed = _allowed()
    found: dict[str, set[Plugin]] = {}
    damages: list[Damage] = []
    places: dict[str, str] = {}
    for each in distributions():
        try:
            entries = [entry for entry in _entry_points(each) if entry.group in _KINDS]
            if not entries:
                continue
            where, name, version = _facts(each)
            if name is None:
                raise ValueError("its metadata gives no name")
        except Exception as error:  # files that anyone may have written
            damages.append(_unreadable(each, error))
            continue
        package = _normal(name)
        if allowed is not None and package not in allowed:
            continue
        if package in found:
            if _printable(where) != places[package]:
                damages += _shadowed(package, version, where, places[package], found[package], entries)
            continue
        source = _imported_copy(package, each)
        places[package], _, version = _facts(source)
        try:
            plugins, bad = _plugins_of(package, version, _entry_points(source), places[package])
        except Exception as error:
            damages.append(_unreadable(source, error))
            continue
        found[package] = set(plugins)
        damages += bad
    order = list(GROUPS)
    listed = [plugin for of_package in found.values() for plugin in of_package]
    listed.sort(key=lambda p: (order.index(p.kind), p.name, p.package, p.target))
    return Survey(tuple(listed), tuple(damages))


def _entry_points(source: Distribution) -> list[EntryPoint]:
    """Return the entry points of a distribution.

    Raises:
        Exception: the file is there and cannot be read, or is not of the format.
    """
    file = getattr(source, "_path", None)
    if source.read_text(_FILE) is None:
        if file is not None and (file / _FILE).exists():
            raise OSError(f"{_FILE} is no file that this user may read")
        return []
    return list(strict_entry_points(source))


def _facts(source: Distribution) -> tuple[str, str | None, str]:
    """Return where a distribution's metadata lie, its name if it has one, and its version."""
    where = _printable(str(getattr(source, "_path", source)))
    try:
        metadata: Any = source.metadata
        name, version = metadata.get("Name"), metadata.get("Version")
    except Exception:  # a text file that anyone may have written
        name, version = None, None
    name = name if name is not None and name.strip() else None
    return where, name, _printable(version.strip()) if version and version.strip() else _UNKNOWN


def _imported_copy(package: str, seen: Distribution) -> Distribution:
    """Return the copy of a distribution that Python would import; the one seen where it is found by no name."""
    try:
        return distribution(package)
    except PackageNotFoundError:
        return seen


def _unreadable(source: Distribution, error: Exception) -> Damage:
    where, name, version = _facts(source)
    package = _printable(name or Path(where).name.partition("-")[0] or _UNKNOWN)
    try:
        plugins = "automl_loss." in (source.read_text(_FILE) or "")
    except Exception:  # then nobody knows what it would offer
        plugins = True
    said = f"{type(error).__name__}: {error}".rstrip(".")
    return Damage(
        package,
        version,
        f"the {'plugins' if plugins else 'entry points'} of {package} {version} in {where} are left out, since its "
        f"metadata cannot be read ({_printable(said)}); install the package again.",
        plugins,
    )


def _shadowed(
    package: str, version: str, where: str, other: str, known: set[Plugin], entries: Sequence[EntryPoint]
) -> list[Damage]:
    """Say that a second distribution of a name does not count, where it would offer other plugins."""
    offered = {(_KINDS[entry.group], entry.name, entry.value) for entry in entries}
    if offered == {(plugin.kind, plugin.name, plugin.target) for plugin in known}:
        return []
    return [
        Damage(
            package,
            version,
            f"the plugins of {package} {version} in {where} do not count, since Python imports the package of that "
            f"name in {other}; uninstall one of them.",
            plugins=False,
        )
    ]


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


def _plugins_of(
    package: str, version: str, entries: Sequence[EntryPoint], where: str
) -> tuple[list[Plugin], list[Damage]]:
    """Return a distribution's plugins, and its entry points that can be none."""
    plugins, damages = [], []
    for entry in entries:
        if entry.group not in _KINDS:
            continue
        wrong = _wrong(entry)
        if wrong is None:
            plugins.append(Plugin(_KINDS[entry.group], entry.name, package, version, entry.value))
            continue
        text = (
            f"the {label(_KINDS[entry.group])} {entry.name!r} of {package} {version} in {where} is left out: {wrong}; "
            f"install another version of the package."
        )
        damages.append(Damage(package, version, text, plugins=True))
    return plugins, damages


def _wrong(entry: EntryPoint) -> str | None:
    """Return why an entry point can be no plugin, or `None`."""
    if not entry.name or not entry.name.isprintable() or ":" in entry.name:
        return "its name must be printable and without a colon, so that a recipe can write it"
    if is_object_path(entry.value.partition("[")[0].strip()):
        return None
    return f"its target is {entry.value!r}, and 'module:Class' is expected"


def _printable(text: str) -> str:
    """Return a text without the characters that would act on a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _allowed() -> set[str] | None:
    text = os.environ.get(ALLOWED)
    if text is None:
        return None
    return {SHIPPED, *(_normal(name) for name in text.split(",") if name.strip())}


def _normal(name: str) -> str:
    """Normalise a distribution name: lower case, runs of `-`, `_` and `.` as one `-` (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
