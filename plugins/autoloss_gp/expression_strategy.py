"""Define the base class of strategies over expressions: options, random expressions, candidates."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field, NonNegativeInt

from autoloss_gp.generation import TreeGenerator
from autoloss_gp.population import Novelty, Proposal
from autoloss_gp.repair import repair
from automl_loss import (
    Candidate,
    Expression,
    PluginConfig,
    PrimitiveSet,
    Problem,
    SearchStrategy,
    SymbolicLoss,
)

TRIES = 10  # attempts to make an expression that the run has not asked before
WEIGHT_DEVIATION = 1e-3  # standard deviation of the start weights, whose mean is 1


def _ordered(depth: tuple[int, int]) -> tuple[int, int]:
    if depth[0] > depth[1]:
        raise ValueError(f"the smallest height comes first, but got {list(depth)}; write {sorted(depth)}")
    return depth


# The tuple is not strict, because YAML has lists and no tuples; the two integers are strict.
DepthRange = Annotated[tuple[NonNegativeInt, NonNegativeInt], Field(strict=False), AfterValidator(_ordered)]


class ExpressionStrategy(SearchStrategy):
    """Proposes symbolic losses, a generation at a time.

    Laws beyond those of `SearchStrategy`: every expression contains y and f, and none is canonically equal
    to one asked before in the run. When `TRIES` attempts find no new expression, the generation is one
    smaller; when a whole generation finds none, the strategy is done.

    The start weights are drawn afresh for every candidate, normal with mean 1 and deviation 0.001. Tuned
    weights are never inherited: selection uses the fitness after tuning, not the tuned weights (Baldwinian).
    """

    class Config(PluginConfig):
        """Options of every strategy over expressions."""

        population: int = Field(25, ge=2, description="Losses in a generation.")
        generations: int = Field(50, ge=1, description="Generations after which the strategy is done.")
        initial_depth: DepthRange = Field(
            (2, 4), description="Smallest and largest height of random expressions."
        )
        activation: Literal["identity", "softplus"] = Field(
            "identity", description="Applied to the output; softplus makes losses positive."
        )

    tuned: ClassVar[bool] = True
    """Whether nodes carry weights for the evaluator to tune; otherwise they stay 1."""

    config: Config

    def __init__(
        self, config: Any, problem: Problem, primitives: PrimitiveSet, rng: np.random.Generator
    ) -> None:
        super().__init__(config, problem, primitives, rng)
        self._trees = TreeGenerator(primitives, problem)
        self._novelty = Novelty(weighted=self.tuned)
        self._generation = 0
        self._last_id = 0
        self._asked: dict[int, Expression] = {}

    def ask(self) -> list[Candidate]:
        """Return the next generation; `[]` after the last, or when nothing new was found."""
        if self._generation >= self.config.generations:
            return []
        proposals = self._propose()
        first = self._last_id + 1
        candidates = [self._candidate(id, proposal) for id, proposal in enumerate(proposals, first)]
        self._asked = {candidate.id: p.expression for candidate, p in zip(candidates, proposals, strict=True)}
        self._last_id += len(proposals)
        self._generation = self._generation + 1 if proposals else self.config.generations
        return candidates

    @abstractmethod
    def _propose(self) -> list[Proposal]:
        """Return expressions of the next generation, each claimed from `_novelty`."""

    def _random_proposals(self, count: int) -> list[Proposal]:
        """Return up to `count` new random expressions."""
        drawn = (self._random_proposal() for _ in range(count))
        return [proposal for proposal in drawn if proposal is not None]

    def _random_proposal(self) -> Proposal | None:
        """Return the first of `TRIES` repaired random trees that is new to the run, or `None`."""
        for _ in range(TRIES):
            tree = self._trees.half_and_half(self.config.initial_depth, self.rng)
            expression = repair(tree, self.primitives, self.rng)
            if self._novelty.claim(expression):
                return Proposal(expression)
        return None

    def _candidate(self, id: int, proposal: Proposal) -> Candidate:
        size = proposal.expression.size
        weights = self.rng.normal(1.0, WEIGHT_DEVIATION, size).tolist() if self.tuned else [1.0] * size
        loss = SymbolicLoss(
            proposal.expression,
            weights=tuple(weights),
            activation=self.config.activation,
            weighted=self.tuned,
        ).for_problem(self.problem)
        return Candidate(id, loss, self._generation, proposal.parents)
