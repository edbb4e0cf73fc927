"""Plugin kind `strategy`, which proposes losses and learns from their outcomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.losses.problem import Problem
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.outcome import Outcome


class SearchStrategy(ABC):
    """A search method over losses.

    The search calls `ask` and `tell` in turn. One `ask` is one generation; its outcomes come back in one
    `tell`, in ask order, whatever their status.

    Laws, each checked by `automl_loss.testing`:
        1. Same seed and same tells -> same asks. A run is resumed by replaying the recorded outcomes, so a
           strategy writes no checkpoint and draws randomness from `rng` alone.
        2. `ask` returns `[]` when the strategy is done, and only then.
        3. Candidate ids are new and increase by one, from 1. Parents are ids; overrides are those of `Candidate`.
        4. `tell` accepts outcomes of every status.
        5. Two instances share no state.
        6. Global random states, torch's defaults and other settings of the process stay as they are; what a plugin
           changes of them is put back with a warning.

    Args:
        config: the validated `Config` of the class.
        problem: the facts about the task that the strategy may use.
        primitives: the primitives it may use.
        rng: its only source of randomness.
    """

    plugin_api: ClassVar[int] = 1
    default_evaluator: ClassVar[str] = "bilevel"

    class Config(PluginConfig):
        """Options of the strategy in a recipe."""

    def __init__(
        self, config: Any, problem: Problem, primitives: PrimitiveSet, rng: np.random.Generator
    ) -> None:
        self.config = config
        self.problem = problem
        self.primitives = primitives
        self.rng = rng

    @classmethod
    def check(cls, config: Any, problem: Problem) -> list[str]:
        """Return reasons why the strategy does not apply to the problem, each with its remedy; empty if it does."""
        return []

    @abstractmethod
    def ask(self) -> list[Candidate]:
        """Return the next generation, without duplicates of its own making; `[]` when done."""

    @abstractmethod
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Learn from the outcomes of the last generation, in ask order."""
