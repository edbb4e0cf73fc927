"""Define generational genetic programming over losses, with weights left to subclasses and evaluators."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from autoloss_gp.expression_strategy import TRIES, DepthRange, ExpressionStrategy
from autoloss_gp.operators import crossover, mutate, within_height
from autoloss_gp.population import Individual, Proposal
from autoloss_gp.repair import repair
from autoloss_gp.selection import elite, tournaments
from automl_loss import Expression, Outcome, PrimitiveSet, Problem, known_losses, parse

_WORD = re.compile(r"[^\s(),]+")


class GeneticProgramming(ExpressionStrategy):
    """Evolves expressions by tournaments, one-point crossover and uniform mutation.

    Parents are selected from a population of survivors and offspring. Survivors are the elite and the
    copies of the generation before. They keep their outcome and are not asked again: they count towards the
    size of the population, and cost nothing from the budget. So later generations ask for fewer than
    `population` losses.

    Each remaining member is made, at random, by
        crossover: of two tournament winners, the first receives a subtree of the second;
        mutation:  of one winner, a subtree is replaced by a random one;
        copy:      one winner survives.
    Offspring are repaired (`repair`); one that is then above the height limit is replaced by its first
    parent. Offspring that the run has asked before, in this generation or an earlier one, are mutated
    again, up to `TRIES` times; after that they are replaced by a random expression.

    While no member of the population has completed, ranks carry no information, and the next generation is random.
    """

    class Config(ExpressionStrategy.Config):
        """Options of the evolution."""

        crossover: float = Field(0.70, ge=0, le=1, description="Probability that a place goes to crossover.")
        mutation: float = Field(
            0.25,
            ge=0,
            le=1,
            description="Probability that a place goes to mutation; else a parent is copied.",
        )
        tournament: int = Field(4, ge=1, description="Members of a tournament.")
        elitism: float = Field(
            0.05, ge=0, le=0.5, description="Share of the population that survives; at least one unless 0."
        )
        mutation_depth: DepthRange = Field(
            (0, 2), description="Smallest and largest height of the new subtree."
        )
        max_height: int = Field(10, ge=1, description="Height above which offspring are not kept.")
        initial: Literal["known", "random"] = Field(
            "known", description="Whether known losses fill up to half of the first generation."
        )

        @model_validator(mode="after")
        def _consistent(self) -> Self:
            if not 0 < self.crossover + self.mutation <= 1 + 1e-9:
                raise ValueError(
                    f"crossover + mutation must be above 0 and at most 1, but got {self.crossover} + "
                    f"{self.mutation}; what is missing to 1 is the share of copies"
                )
            if self.initial_depth[1] >= self.max_height:
                raise ValueError(
                    f"initial_depth must stay below max_height, as repair may add a level, but got "
                    f"{list(self.initial_depth)} and {self.max_height}; raise max_height"
                )
            return self

    config: Config

    def __init__(
        self, config: Any, problem: Problem, primitives: PrimitiveSet, rng: np.random.Generator
    ) -> None:
        super().__init__(config, problem, primitives, rng)
        self._survivors: list[Individual] = []
        self._population: list[Individual] = []

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Set the population, the parents of the next generation, to the survivors and the individuals told."""
        told = [Individual(self._asked[outcome.id], outcome) for outcome in outcomes]
        self._population = [*self._survivors, *told]

    def _propose(self) -> list[Proposal]:
        if any(individual.outcome.status.completed for individual in self._population):
            return self._next_generation()
        known = self._known_proposals() if self._generation == 0 and self.config.initial == "known" else []
        return known + self._random_proposals(self.config.population - len(known))

    def _known_proposals(self) -> list[Proposal]:
        """Return known losses that the primitive set can express, up to half of the population."""
        texts = known_losses(self.problem, prior="prior" in self.primitives).values()
        sayable = (text for text in texts if all(word in self.primitives for word in _WORD.findall(text)))
        expressions = (parse(text, self.primitives) for text in sayable)
        low = (e for e in expressions if e.height <= self.config.max_height)
        new = (Proposal(e) for e in low if self._novelty.claim(e))
        return list(islice(new, self.config.population // 2))

    def _next_generation(self) -> list[Proposal]:
        self._survivors = elite(self._population, self.config.elitism, self.config.population)
        proposals: list[Proposal | None] = []
        for _ in range(self.config.population - len(self._survivors)):
            chance = self.rng.random()
            if chance < self.config.crossover:
                proposals.append(self._cross())
            elif chance < self.config.crossover + self.config.mutation:
                proposals.append(self._mutate())
            else:
                self._survivors += self._select(1)
        if not proposals:  # every member is a copy, and a generation must ask at least one
            proposals.append(self._mutate())
        return [proposal for proposal in proposals if proposal is not None]

    def _select(self, count: int) -> list[Individual]:
        return tournaments(self._population, count, self.config.tournament, self.rng)

    def _cross(self) -> Proposal | None:
        receiver, donor = self._select(2)
        child = crossover(receiver.expression, donor.expression, self.rng)
        return self._proposal(self._settle(child, receiver.expression), (receiver, donor))

    def _mutate(self) -> Proposal | None:
        (parent,) = self._select(1)
        return self._proposal(self._mutant(parent.expression), (parent,))

    def _mutant(self, parent: Expression) -> Expression:
        return self._settle(mutate(parent, self._trees, self.config.mutation_depth, self.rng), parent)

    def _settle(self, child: Expression, parent: Expression) -> Expression:
        """Repair the child to contain y and f, and keep it within the height limit."""
        return within_height(repair(child, self.primitives, self.rng), parent, self.config.max_height)

    def _proposal(self, child: Expression, parents: tuple[Individual, ...]) -> Proposal | None:
        """Propose the child if it is new to the run, else a mutant of it, else a random expression, else `None`."""
        ids = tuple(dict.fromkeys(parent.id for parent in parents))
        for _ in range(TRIES):
            if self._novelty.claim(child):
                return Proposal(child, ids)
            child = self._mutant(child)
        return self._random_proposal()
