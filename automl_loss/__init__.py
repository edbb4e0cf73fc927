"""automl-loss finds loss functions.

Given a task and a model, it searches for a loss under which that model, trained from scratch, does better on
unseen data. `run` is the entry; the classes are what plugins derive from. Importing this imports neither
torch nor optuna.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_loss.api import compare as compare
    from automl_loss.api import load_loss as load_loss
    from automl_loss.api import run as run
    from automl_loss.engine.engine import Engine as Engine
    from automl_loss.engine.import_path import import_object as import_object
    from automl_loss.engine.training import Trained as Trained
    from automl_loss.engine.tuning import Tuned as Tuned
    from automl_loss.errors import AutolossError as AutolossError
    from automl_loss.errors import EvaluationError as EvaluationError
    from automl_loss.errors import ExpressionError as ExpressionError
    from automl_loss.errors import Interrupted as Interrupted
    from automl_loss.errors import MissingDataError as MissingDataError
    from automl_loss.errors import NoValidCandidateError as NoValidCandidateError
    from automl_loss.errors import PluginError as PluginError
    from automl_loss.errors import RecipeError as RecipeError
    from automl_loss.errors import ResumeError as ResumeError
    from automl_loss.expression import Expression as Expression
    from automl_loss.expression import Opcode as Opcode
    from automl_loss.expression import Primitive as Primitive
    from automl_loss.expression import PrimitiveSet as PrimitiveSet
    from automl_loss.expression import canonical_key as canonical_key
    from automl_loss.expression import constant as constant
    from automl_loss.expression import parse as parse
    from automl_loss.expression import standard_primitives as standard_primitives
    from automl_loss.expression import taylor_expression as taylor_expression
    from automl_loss.expression import taylor_powers as taylor_powers
    from automl_loss.losses import HandcraftedLoss as HandcraftedLoss
    from automl_loss.losses import Loss as Loss
    from automl_loss.losses import NeuralLoss as NeuralLoss
    from automl_loss.losses import Problem as Problem
    from automl_loss.losses import SymbolicLoss as SymbolicLoss
    from automl_loss.losses import catalogue as catalogue
    from automl_loss.losses import known_losses as known_losses
    from automl_loss.losses import loss_from_json as loss_from_json
    from automl_loss.losses import published_losses as published_losses
    from automl_loss.losses import task_loss as task_loss
    from automl_loss.plugins import Candidate as Candidate
    from automl_loss.plugins import Context as Context
    from automl_loss.plugins import Evaluator as Evaluator
    from automl_loss.plugins import Executor as Executor
    from automl_loss.plugins import ModelFactory as ModelFactory
    from automl_loss.plugins import Outcome as Outcome
    from automl_loss.plugins import PluginConfig as PluginConfig
    from automl_loss.plugins import SearchStrategy as SearchStrategy
    from automl_loss.plugins import Split as Split
    from automl_loss.plugins import Splits as Splits
    from automl_loss.plugins import Status as Status
    from automl_loss.plugins import Task as Task
    from automl_loss.plugins.racing import Leg as Leg
    from automl_loss.plugins.racing import race as race
    from automl_loss.recipe import Recipe as Recipe
    from automl_loss.recipe import load_recipe as load_recipe
    from automl_loss.search.progress import Progress as Progress
    from automl_loss.search.result import Result as Result
    from automl_loss.seeds import generator as generator
    from automl_loss.seeds import stream as stream

_HOMES = {
    "automl_loss.api": ("compare", "load_loss", "run"),
    "automl_loss.engine.engine": ("Engine",),
    "automl_loss.engine.import_path": ("import_object",),
    "automl_loss.engine.training": ("Trained",),
    "automl_loss.engine.tuning": ("Tuned",),
    "automl_loss.errors": (
        "AutolossError",
        "EvaluationError",
        "ExpressionError",
        "Interrupted",
        "MissingDataError",
        "NoValidCandidateError",
        "PluginError",
        "RecipeError",
        "ResumeError",
    ),
    "automl_loss.expression": (
        "Expression",
        "Opcode",
        "Primitive",
        "PrimitiveSet",
        "canonical_key",
        "constant",
        "parse",
        "standard_primitives",
        "taylor_expression",
        "taylor_powers",
    ),
    "automl_loss.losses": (
        "HandcraftedLoss",
        "Loss",
        "NeuralLoss",
        "Problem",
        "SymbolicLoss",
        "catalogue",
        "known_losses",
        "loss_from_json",
        "published_losses",
        "task_loss",
    ),
    "automl_loss.plugins": (
        "Candidate",
        "Context",
        "Evaluator",
        "Executor",
        "ModelFactory",
        "Outcome",
        "PluginConfig",
        "SearchStrategy",
        "Split",
        "Splits",
        "Status",
        "Task",
    ),
    "automl_loss.plugins.racing": ("Leg", "race"),
    "automl_loss.recipe": ("Recipe", "load_recipe"),
    "automl_loss.search.progress": ("Progress",),
    "automl_loss.search.result": ("Result",),
    "automl_loss.seeds": ("generator", "stream"),
}
_NAMES = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted([*_NAMES, "__version__"])


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("automl-loss")
    if name not in _NAMES:
        raise AttributeError(f"module 'automl_loss' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
