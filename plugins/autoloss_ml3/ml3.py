"""Strategy `ml3`, which learns a neural loss by meta-gradients alone (arXiv 1906.05374)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from automl_loss import (
    Candidate,
    NeuralLoss,
    Outcome,
    PluginConfig,
    PrimitiveSet,
    Problem,
    SearchStrategy,
)


class ML3(SearchStrategy):
    """A loss network of target and prediction, tuned by exact meta-gradients; the search is random restarts.

    The network (2-50-50-1, ReLU, no biases, softplus output) is applied to every output and summed over classes. Each
    restart is a candidate of its own, with fresh weights, so that the rest of the budget goes to restarts.
    """

    plugin_api = 1
    default_evaluator = "bilevel"

    class Config(PluginConfig):
        """Options of ML3."""

        steps: int = Field(5000, ge=1, description="Tuning steps of each loss, always by the exact gradient.")
        restarts: int = Field(
            100, ge=1, description="Losses to tune, from fresh weights each; or the budget ends it."
        )
        hidden: int = Field(50, ge=1, description="Units in each of the two hidden layers.")

    config: Config

    def __init__(
        self, config: Any, problem: Problem, primitives: PrimitiveSet, rng: np.random.Generator
    ) -> None:
        super().__init__(config, problem, primitives, rng)
        self._asked = 0

    def ask(self) -> list[Candidate]:
        """Return one freshly initialised loss; `[]` after the last restart."""
        if self._asked >= self.config.restarts:
            return []
        self._asked += 1
        loss = NeuralLoss.initial(f"ml3-{self._asked}", (self.config.hidden,) * 2, self.rng)
        overrides = {"tuning_steps": float(self.config.steps)}
        return [Candidate(self._asked, loss, generation=self._asked - 1, overrides=overrides)]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Ignore the outcomes: restarts are independent."""
