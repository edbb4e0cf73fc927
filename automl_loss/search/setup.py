"""From a validated recipe to the objects of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from automl_loss.engine.engine import Engine, EngineSource, problem_of
from automl_loss.engine.corruption import check_options
from automl_loss.errors import RecipeError
from automl_loss.losses.problem import Problem
from automl_loss.plugins import Evaluator, Executor, LoadedPlugin, PrimitiveSet, SearchStrategy
from automl_loss.recipe import Recipe
from automl_loss.seeds import generator


@dataclass(frozen=True)
class Setup:
    """The objects of one run.

    Args:
        recipe: the resolved recipe.
        problem: the task's.
        engine: at the recipe's learning rate, which may still be `auto`.
        strategy: fresh, on the run's own random stream.
        evaluator: the recipe's or the strategy's own.
        executor: where stages run.
        chunk: most candidates in a chunk.
        primitives: the words that losses are made of.
    """

    recipe: Recipe
    problem: Problem
    engine: Engine
    strategy: SearchStrategy
    evaluator: Evaluator
    executor: Executor
    chunk: int
    primitives: PrimitiveSet


def make(plugin: LoadedPlugin, config: Any) -> Any:
    """An instance of a loaded plugin; a module-level function, so that worker processes can call it."""
    return plugin.cls(config)
