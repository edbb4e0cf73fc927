"""The six plugin kinds, what passes between them and the core, and how plugins are found.

`SearchStrategy`, `Evaluator`, `Task`, `ModelFactory`, `Executor` and `PrimitiveSet` are the abstract kinds;
`Candidate`, `Outcome` and `Context` pass between them; `Registry` finds and loads. Importing this imports no
plugin and no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.evaluator import Context, Evaluator
from automl_loss.plugins.executor import Executor
from automl_loss.plugins.model import ModelFactory
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.plugins.strategy import SearchStrategy
from automl_loss.plugins.task import Split, Splits, Task

if TYPE_CHECKING:
    from automl_loss.plugins.discovery import Plugin as Plugin
    from automl_loss.plugins.loading import LoadedPlugin as LoadedPlugin
    from automl_loss.plugins.loading import Registry as Registry

__all__ = [
    "Candidate",
    "Context",
    "Evaluator",
    "Executor",
    "LoadedPlugin",
    "ModelFactory",
    "Outcome",
    "Plugin",
    "PluginConfig",
    "PrimitiveSet",
    "Registry",
    "SearchStrategy",
    "Split",
    "Splits",
    "Status",
    "Task",
]


def __getattr__(name: str) -> Any:
    """Load stevedore only when plugins are looked for."""
    if name in ("LoadedPlugin", "Registry"):
        from automl_loss.plugins import loading

        return getattr(loading, name)
    if name == "Plugin":
        from automl_loss.plugins.discovery import Plugin

        return Plugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
