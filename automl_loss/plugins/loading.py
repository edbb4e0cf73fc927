"""Load a plugin's class by the plugin's name, through stevedore, without importing any other plugin."""

from __future__ import annotations

import importlib
import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint
from inspect import cleandoc
from pathlib import Path
from typing import Any

from stevedore.extension import ExtensionManager

from automl_loss.errors import PluginError
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.contract import check_class
from automl_loss.plugins.discovery import (
    ALLOWED,
    LOCAL,
    SHIPPED,
    Damage,
    LocalEntry,
    Plugin,
    PluginKind,
    Survey,
    local_plugins,
    settle,
    survey,
    warn_of,
)
from automl_loss.plugins.import_path import hidden_by_standard_library, local_problem
from automl_loss.plugins.local_code import check_local_code
from automl_loss.plugins.process_state import kept
from automl_loss.plugins.time_limit import import_limit, time_limit

_log = logging.getLogger(__name__)
_LONG = 15.0
"""Seconds of importing after which a message names the plugin; torch and similar packages take a few."""


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin after loading. It pickles as the `Plugin`; a worker process loads it anew.

    Args:
        plugin: the plugin before loading.
        cls: the plugin class, which keeps the contract of its kind.
    """

    plugin: Plugin
    cls: type[Any]

    @property
    def description(self) -> str:
        """The class's docstring, without its indentation."""
        return cleandoc(self.cls.__doc__ or "")

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.description.partition("\n")[0]

    @property
    def config(self) -> type[PluginConfig]:
        """The class of the plugin's options."""
        found: type[PluginConfig] = self.cls.Config
        return found

    def __reduce__(self) -> tuple[Callable[[Plugin], LoadedPlugin], tuple[Plugin]]:
        return load_plugin, (self.plugin,)


class Registry:
    """The installed plugins and a recipe's local ones, as they are when first asked for.

    A local plugin does not replace an installed one of the same name: that is an error, whose message names both.

    Args:
        local: the plugins that a recipe names by path.
        warn: whether to warn of installed plugins that are left out; `damages` has them in any case.

    Example:
        >>> registry = Registry()
        >>> registry.find("strategy", "random").package
        'automl-loss'
        >>> registry.config("model", "mlp", {"hidden": [100]}).hidden
        (100,)
    """

    def __init__(self, local: Sequence[LocalEntry] = (), *, warn: bool = True) -> None:
        self._local = local_plugins(local)
        self._warn = warn
        self._loaded: dict[Plugin, LoadedPlugin] = {}

    @cached_property
    def _survey(self) -> Survey:
        found = survey()
        if self._warn:
            warn_of(found.damages)
        return found

    @property
    def _all(self) -> list[Plugin]:
        return [*self._survey.plugins, *self._local]

    @property
    def damages(self) -> tuple[Damage, ...]:
        """What of the installation cannot be used; nothing is imported."""
        return self._survey.damages

    def plugins(self, kind: PluginKind | None = None) -> list[Plugin]:
        """Return all plugins, or those of a kind; nothing is imported."""
        return [plugin for plugin in self._all if kind is None or plugin.kind == kind]

    def find(self, kind: PluginKind, name: str) -> Plugin:
        """Return the plugin that a name stands for; nothing is imported.

        Args:
            kind: the plugin kind.
            name: a name, or `package:name` where two packages offer it.

        Raises:
            PluginError: there is none, or more than one.
        """
        return settle(self._all, kind, name)

    def load(self, kind: PluginKind, name: str) -> LoadedPlugin:
        """Load the class of the plugin that a name stands for; no other plugin is imported.

        Raises:
            PluginError: it is missing, ambiguous, fails at import, or breaks the contract of its kind.
        """
        plugin = self.find(kind, name)
        if plugin not in self._loaded:
            self._loaded[plugin] = load_plugin(plugin)
        return self._loaded[plugin]

    def config(self, kind: PluginKind, name: str, options: Mapping[str, Any]) -> PluginConfig:
        """Validate a plugin's options.

        Args:
            kind: the plugin kind.
            name: as `load` takes it.
            options: plain data, as a recipe's YAML gives it: a list may stand for a tuple, but no text for a
                number.

        Raises:
            PluginError: as `load` does.
            pydantic.ValidationError: the options are wrong; its `errors()` say where.
        """
        return self.load(kind, name).config.model_validate_json(json.dumps(dict(options)))


def load_plugin(plugin: Plugin) -> LoadedPlugin:
    """Import a settled plugin and check its class.

    Raises:
        PluginError: it fails at import, or breaks the contract of its kind.
    """
    if plugin.is_local:
        check_local_code(f"{plugin} ({plugin.target})")
    found = _imported(plugin, f"{plugin} cannot be imported ({plugin.target})")
    return LoadedPlugin(plugin, check_class(plugin, found))


def load_file(path: str) -> Any:
    """Import the object at a path such as `./mine.py:Mine`, of whatever kind, without checking it.

    Raises:
        PluginError: there is no such file, it fails at import, or it lacks the name.
    """
    check_local_code(path)
    file = path.rpartition(":")[0]
    problem = local_problem(path)
    if problem or not Path(file).is_file():
        raise PluginError(f"{path} cannot be imported: {problem or f'there is no file {file}.'}")
    # The kind does not matter for importing.
    return _imported(Plugin("strategy", path, LOCAL, "", path), f"{path} cannot be imported")


def _imported(plugin: Plugin, failed: str) -> Any:
    """Import the object at a plugin's target; an import that takes long is logged, and ended in the end."""
    problem = local_problem(plugin.target) if plugin.is_local else ""
    if problem:
        raise PluginError(f"{failed}: {problem}")
    importlib.invalidate_caches()
    telling = threading.Timer(_LONG, _log.warning, [f"still importing {plugin}; Ctrl-C gives up"])
    telling.daemon = True
    telling.start()
    try:
        with time_limit(import_limit()), kept(str(plugin)):
            return _Single(plugin.entry_point).found
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # importing runs foreign code: AssertionError and SystemExit included
        module, file = plugin.entry_point.module, plugin.target.rpartition(":")[0]
        what = str(error).replace(module, file)  # the module name of a local plugin is meaningless to users
        said = f"{type(error).__name__}: {what}" if what else type(error).__name__
        raise PluginError(f"{failed}: {said.rstrip('.')}. {_remedy(plugin, error)}") from error
    finally:
        telling.cancel()


class _Single(ExtensionManager[Any]):
    """A stevedore manager of one settled entry point.

    stevedore's own managers select by name: they import every entry point of a name, from a list that is cached
    for the life of the process, and log failures. This one is told its entry point, and raises what fails.
    """

    def __init__(self, entry_point: EntryPoint) -> None:
        self._entry_point = entry_point
        super().__init__(entry_point.group, on_load_failure_callback=_raise)

    def list_entry_points(self) -> list[EntryPoint]:
        """Return the settled entry point alone."""
        return [self._entry_point]

    @property
    def found(self) -> Any:
        """Return the object at the entry point's target."""
        return self.extensions[0].plugin


def _raise(manager: object, entry_point: EntryPoint, error: BaseException) -> None:
    raise error


def _remedy(plugin: Plugin, error: BaseException) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    own = plugin.entry_point.value.partition(":")[0]
    if plugin.is_local:
        return _local_remedy(plugin, error, missing, own)
    if plugin.package == SHIPPED:
        return f"Install {SHIPPED} again; it lacks something."
    rest = f"or leave {plugin.package} out: only the packages listed in {ALLOWED} count"
    if missing and not f"{own}.".startswith(f"{missing}."):
        return f"Install what provides the module {missing!r}, {rest}."
    return f"Install another version of {plugin.package}, {rest}."


def _local_remedy(plugin: Plugin, error: BaseException, missing: str | None, own: str) -> str:
    file = plugin.target.rpartition(":")[0]
    if isinstance(error, OSError) and not Path(file).is_file():
        return "Correct `path`; it names a Python file, relative to the recipe."
    if missing and not f"{own}.".startswith(f"{missing}."):
        return f"Install what provides the module {missing!r}."
    if isinstance(error, ImportError) and "relative import" in str(error):
        return (
            f"A file that is named by path belongs to no package: in {file} import what lies beside it without the "
            f"dots, or name it as 'package.module:Class'."
        )
    if missing:
        return (
            f"Correct `path`: there is no such module; './{own.rpartition('.')[2]}.py:Class' names a file."
            f"{hidden_by_standard_library(own)}"
        )
    if isinstance(error, AttributeError):
        hidden = "" if file.endswith(".py") else hidden_by_standard_library(own)
        return f"Mend {file}, or correct `path`: {_classes_of(plugin.entry_point.module)}{hidden}"
    return f"Mend {file}."


def _classes_of(module: str) -> str:
    """Say which classes a module defines, to choose from."""
    there = sys.modules.get(module)
    names = [
        name
        for name, value in vars(there).items()
        if isinstance(value, type) and value.__module__ == module and not name.startswith("_")
    ] if there is not None else []  # fmt: skip
    return f"the module defines {', '.join(names[:10]) or 'no class'}."
