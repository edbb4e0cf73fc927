"""Loading: from a settled plugin to its class, checked against the contract of its kind."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

from stevedore.extension import ExtensionManager

from automl_loss.errors import PluginError
from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.discovery import LocalEntry, Plugin, PluginKind, installed_plugins, local_plugins, settle
from automl_loss.plugins.evaluator import Evaluator
from automl_loss.plugins.executor import Executor
from automl_loss.plugins.model import ModelFactory
from automl_loss.plugins.strategy import SearchStrategy
from automl_loss.plugins.task import Task

API = 1
"""The plugin contract's version; a plugin states the one it was written for as `plugin_api`."""

BASES: dict[PluginKind, type[Any]] = {
    "strategy": SearchStrategy,
    "primitive_set": PrimitiveSet,
    "task": Task,
    "evaluator": Evaluator,
    "model": ModelFactory,
    "executor": Executor,
}


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin after loading.

    Args:
        plugin: where it came from.
        cls: its class.
    """

    plugin: Plugin
    cls: type[Any]

    @property
    def summary(self) -> str:
        """First line of the class's docstring."""
        return (self.cls.__doc__ or "").strip().splitlines()[0] if self.cls.__doc__ else ""


class Registry:
    """The installed plugins and a recipe's local ones.

    Args:
        local: plugins by path.
    """

    def __init__(self, local: Sequence[LocalEntry] = ()) -> None:
        self._local = local_plugins(local)

    @cached_property
    def _all(self) -> list[Plugin]:
        return [*installed_plugins(), *self._local]

    def plugins(self, kind: PluginKind | None = None) -> list[Plugin]:
        """All plugins, or those of a kind; nothing is imported."""
        return [plugin for plugin in self._all if kind is None or plugin.kind == kind]

    def find(self, kind: PluginKind, name: str) -> Plugin:
        """The plugin that a name means; raises `PluginError`, see `settle`."""
        return settle(self._all, kind, name)

    def load(self, kind: PluginKind, name: str) -> LoadedPlugin:
        """The class of the plugin that a name means.

        Raises:
            PluginError: it is missing, ambiguous, fails at import, or breaks the contract of its kind.
        """
        plugin = self.find(kind, name)
        return LoadedPlugin(plugin, _checked(plugin, _import(plugin)))


class _OneEntryPoint(ExtensionManager):
    """A stevedore manager of one settled entry point: rivals of the same name are not imported."""

    def __init__(self, entry_point: EntryPoint) -> None:
        self._only = entry_point
        self.failure: Exception | None = None
        super().__init__(entry_point.group, on_load_failure_callback=self._keep)

    def list_entry_points(self) -> list[EntryPoint]:
        """The settled one alone."""
        return [self._only]

    @staticmethod
    def _keep(manager: _OneEntryPoint, entry_point: EntryPoint, error: Exception) -> None:
        manager.failure = error


def _import(plugin: Plugin) -> Any:
    try:
        if plugin.is_local:
            return _import_local(plugin)
        manager = _OneEntryPoint(plugin.entry_point)
        if manager.failure is not None:
            raise manager.failure
        return manager.extensions[0].plugin
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:  # a plugin may raise anything at import: AssertionError and SystemExit included
        raise PluginError(
            f"{_label(plugin)} cannot be imported: {type(error).__name__}: {error}. {_remedy(plugin, error)}"
        ) from error


def _import_local(plugin: Plugin) -> Any:
    module_path, _, attribute = plugin.target.rpartition(":")
    module = _module_of_file(Path(module_path)) if module_path.endswith(".py") else importlib.import_module(module_path)
    if not hasattr(module, attribute):
        raise PluginError(f"{_label(plugin)}: {module_path} has no {attribute!r}.")
    return getattr(module, attribute)


def _module_of_file(file: Path) -> ModuleType:
    """The module of a local plugin; worker processes get it by value, since they cannot import it by name."""
    from cloudpickle import register_pickle_by_value

    name = f"_autoloss_local_{file.stem}_{abs(hash(str(file.resolve()))):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.exists():
        raise PluginError(f"local plugin file {file} does not exist; paths are relative to the recipe.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    register_pickle_by_value(module)
    return module


def _checked(plugin: Plugin, found: Any) -> type[Any]:
    base = BASES[plugin.kind]
    if not isinstance(found, type) or not issubclass(found, base):
        raise PluginError(
            f"{_label(plugin)} is no {plugin.kind.replace('_', ' ')}: {plugin.target} is {found!r}; "
            f"expected a subclass of automl_loss.{base.__name__}."
        )
    stated = getattr(found, "plugin_api", None)
    if stated != API:
        remedy = "upgrade automl-loss" if isinstance(stated, int) and stated > API else f"ask for a newer {plugin.package}"
        raise PluginError(
            f"{_label(plugin)} is written for plugin_api {stated}, and this automl-loss offers {API}; {remedy}."
        )
    if plugin.kind == "primitive_set" and not hasattr(found, "Config"):
        found.Config = PluginConfig
    config = getattr(found, "Config", None)
    if not isinstance(config, type) or not issubclass(config, PluginConfig):
        raise PluginError(f"{_label(plugin)} has no nested `class Config(automl_loss.PluginConfig)`.")
    if not (found.__doc__ or "").strip():
        raise PluginError(f"{_label(plugin)} has no docstring; its first line is what `autoloss plugins show` prints.")
    abstract = sorted(getattr(found, "__abstractmethods__", ()))
    if abstract:
        raise PluginError(f"{_label(plugin)} does not define {', '.join(abstract)}.")
    return found


def _label(plugin: Plugin) -> str:
    return f"{plugin.kind.replace('_', ' ')} {plugin.name!r} of {plugin.origin}"


def _remedy(plugin: Plugin, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"Install the missing module: {error.name}."
    if plugin.is_local:
        return f"Mend {plugin.target.rpartition(':')[0]}."
    return f"It is a fault of the package {plugin.package}: upgrade it, or leave it out with AUTOLOSS_PLUGINS=''."
