"""Check that a plugin's class keeps the contract of its kind, once when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from automl_loss.errors import PluginError
from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.discovery import Plugin, PluginKind, label
from automl_loss.plugins.evaluator import Evaluator
from automl_loss.plugins.executor import Executor
from automl_loss.plugins.model import ModelFactory
from automl_loss.plugins.strategy import SearchStrategy
from automl_loss.plugins.task import Task

API = 1
"""Version of the plugin contract; a plugin states the one it was written for as `plugin_api`."""

EXECUTOR_API = 2
"""Version of the contract of executors; version 1 is supported for one more release."""


def newest_api(kind: PluginKind) -> int:
    """Return the newest version of a kind's contract."""
    return EXECUTOR_API if kind == "executor" else API


BASES: Mapping[PluginKind, type[Any]] = MappingProxyType(
    {
        "strategy": SearchStrategy,
        "primitive_set": PrimitiveSet,
        "task": Task,
        "evaluator": Evaluator,
        "model": ModelFactory,
        "executor": Executor,
    }
)
"""Abstract class of each plugin kind."""


def check_class(plugin: Plugin, found: Any) -> type[Any]:
    """Return a plugin's class, after checking that it keeps the contract of its kind.

    Args:
        plugin: the plugin before loading, named in messages.
        found: the object at the plugin's target.

    Raises:
        PluginError: it is no class of the kind, is abstract, has another `plugin_api`, or has no docstring
            or no `Config`.
    """
    try:
        return _checked(plugin, found)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:  # its metaclass or properties are the plugin's own code
        raise PluginError(
            f"{plugin}: its class cannot be looked at ({type(error).__name__}: {error}). Mend or upgrade it."
        ) from error


def _checked(plugin: Plugin, found: Any) -> type[Any]:
    base = BASES[plugin.kind]
    if not isinstance(found, type):
        raise PluginError(
            f"{plugin}: {plugin.target} is {found!r}; expected a subclass of automl_loss.{base.__name__}."
        )
    if not issubclass(found, base):
        others = [label(kind) for kind, other in BASES.items() if issubclass(found, other)]
        what = f"is of kind {others[0]}" if others else "is of no plugin kind"
        raise PluginError(
            f"{plugin}: class {found.__name__} {what}; expected a subclass of automl_loss.{base.__name__}."
        )
    _check_api(plugin, found)
    if plugin.kind == "primitive_set" and not hasattr(found, "Config"):
        # Its base class must not import pydantic, so it cannot define the default that other kinds inherit.
        found.Config = PluginConfig  # type: ignore[attr-defined]
    breaches = [*_abstract(found), *_docstring(found), *_config(found), *_evaluator(found)]
    if breaches:
        raise PluginError(f"{plugin}: class {found.__name__} {'; '.join(breaches)}.")
    return found


def _check_api(plugin: Plugin, found: type[Any]) -> None:
    stated, newest = getattr(found, "plugin_api", None), newest_api(plugin.kind)
    if isinstance(stated, int) and API <= stated <= newest:
        return
    if not isinstance(stated, int):
        verdict = f"which is no version; state `plugin_api = {newest}`"
    elif stated > newest:
        verdict = f"newer than {newest}, which this automl-loss offers; upgrade automl-loss"
    else:
        update = plugin.target.rpartition(":")[0] if plugin.is_local else plugin.package
        verdict = f"older than {newest}, which this automl-loss offers; upgrade {update}"
    raise PluginError(f"{plugin}: class {found.__name__} has plugin_api = {stated!r}, {verdict}.")


def _abstract(found: type[Any]) -> list[str]:
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    return [f"does not define {', '.join(missing)}"] if missing else []


def _docstring(found: type[Any]) -> list[str]:
    if isinstance(found.__doc__, str) and found.__doc__.strip():
        return []
    return ["has no docstring, whose first line `autoloss plugins show` prints"]


def _config(found: type[Any]) -> list[str]:
    config = getattr(found, "Config", None)
    if isinstance(config, type) and issubclass(config, PluginConfig):
        return []
    return [f"has Config = {config!r}, expected a nested `class Config(automl_loss.PluginConfig)`"]


def _evaluator(found: type[Any]) -> list[str]:
    name = getattr(found, "default_evaluator", "")
    if isinstance(name, str):
        return []
    return [f"has default_evaluator = {name!r}, expected the name of an evaluator"]
