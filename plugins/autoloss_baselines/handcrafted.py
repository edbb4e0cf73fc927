"""Strategy `handcrafted`, which evaluates the known losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from automl_loss import (
    Candidate,
    HandcraftedLoss,
    Outcome,
    PluginConfig,
    PrimitiveSet,
    Problem,
    SearchStrategy,
    catalogue,
    published_losses,
)


class Handcrafted(SearchStrategy):
    """Proposes every handcrafted loss that suits the problem, in one generation, as baselines for a found loss.

    The task loss is not among them, as it is trial 0 of every run.
    """

    plugin_api = 1
    default_evaluator = "partial-training"

    class Config(PluginConfig):
        """Options of the comparison."""

        losses: list[str] | None = Field(
            None,
            description="Losses to try, as `gce` (all its settings) or `gce(q=0.7)`; by default all handcrafted ones. "
            "What searches of others found (baikal, ngl, absolute_ce) goes by name alone.",
        )
        tune_lr: bool = Field(
            False, description="Whether each loss is tried at several learning rates; each pair counts."
        )
        lr_factors: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
            [0.33, 1.0, 3.0, 10.0], min_length=1, description="With tune_lr: multiples of the search's rate."
        )

    config: Config

    def __init__(
        self, config: Any, problem: Problem, primitives: PrimitiveSet, rng: np.random.Generator
    ) -> None:
        super().__init__(config, problem, primitives, rng)
        self._asked = False

    @classmethod
    def check(cls, config: Any, problem: Problem) -> list[str]:
        """Return a message for each name in `losses` that is no loss of the problem, with the accepted names."""
        if config.losses is None:
            return []
        keys = ", ".join(loss.key for loss in [*_alternatives(problem), *published_losses(problem)])
        accepted = f"accepted for {problem.kind}, with or without the parameters, are {keys}"
        if not config.losses:
            return [f"losses: the list is empty; {accepted}"]
        return [
            f"losses: {name!r} is the task loss, which every run trains; leave it out"
            if name == problem.task_loss
            else f"losses: no handcrafted loss {name!r}; {accepted}"
            for name in config.losses
            if not _named(name, problem)
        ]

    def ask(self) -> list[Candidate]:
        """Return all losses at once; then `[]`."""
        if self._asked:
            return []
        self._asked = True
        losses = _alternatives(self.problem)
        if self.config.losses is not None:
            chosen = (loss for name in self.config.losses for loss in _named(name, self.problem))
            losses = list(dict.fromkeys(chosen))
        factors = list(dict.fromkeys(self.config.lr_factors)) if self.config.tune_lr else [1.0]
        pairs = [(loss, factor) for factor in sorted(factors, key=lambda f: abs(f - 1)) for loss in losses]
        return [
            Candidate(id, loss, generation=0, overrides={} if factor == 1.0 else {"lr_factor": factor})
            for id, (loss, factor) in enumerate(pairs, start=1)
        ]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Ignore the outcomes."""


def _alternatives(problem: Problem) -> list[HandcraftedLoss]:
    """Return the problem's handcrafted losses without the task loss."""
    return [loss for loss in catalogue(problem) if loss.name != problem.task_loss]


def _named(name: str, problem: Problem) -> list[HandcraftedLoss]:
    """Return the losses of a family, or the one of a key."""
    known = [*_alternatives(problem), *published_losses(problem)]
    return [loss for loss in known if name in (loss.name, loss.key)]
