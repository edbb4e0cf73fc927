"""Define the six plugin kinds and the data they exchange with the core, and find and load plugins.

`SearchStrategy`, `Evaluator`, `Task`, `ModelFactory`, `Executor` and `PrimitiveSet` are the abstract kinds;
`Candidate`, `Outcome` and `Context` are the data they exchange, and evaluators work with a `TrainingEngine`;
`loading` finds and loads plugins. Importing this imports no plugin and no torch.
"""

from __future__ import annotations

from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.evaluator import Context, Evaluator
from automl_loss.plugins.executor import Executor, Failure
from automl_loss.plugins.model import ModelFactory
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.plugins.strategy import SearchStrategy
from automl_loss.plugins.task import Split, Splits, Task
from automl_loss.plugins.training_engine import TrainingEngine

__all__ = [
    "Candidate",
    "Context",
    "Evaluator",
    "Executor",
    "Failure",
    "ModelFactory",
    "Outcome",
    "PluginConfig",
    "PrimitiveSet",
    "SearchStrategy",
    "Split",
    "Splits",
    "Status",
    "Task",
    "TrainingEngine",
]
