"""Strategy `ageing`: regularised evolution."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from autoloss_extras._trees import Trees
from automl_loss import (
    Candidate,
    Expression,
    ExpressionError,
    Outcome,
    PluginConfig,
    PrimitiveSet,
    Problem,
    SearchStrategy,
    SymbolicLoss,
    known_losses,
    parse,
)

TRIES = 100  # to draw an expression that may be asked and was not
_Proposal = tuple[Expression, tuple[int, ...]]  # and the ids of its parents


@dataclass(frozen=True)
class _Member:
    expression: Expression
    outcome: Outcome


class Ageing(SearchStrategy):
    """Evolution by mutation alone, in which the oldest dies, however good (Real et al., AAAI 2019, arXiv 1802.01548).

    The population is a queue of P losses. After a first generation, each child is a mutant of the best of S members,
    drawn with replacement. A child enters at the young end, and the oldest member above P dies. So a loss lives on
    only through children that do well when they are trained themselves.

    Three things are not the paper's. A generation is a few children of one population, as evaluation is batched.
    A loss that gives no fitness, because a filter or divergence stopped it, never enters (as in AutoLoss-Zero, Li et
    al., arXiv 2103.14026); as that is most of the random ones, the queue fills with children, too. And known losses
    are among the first, unless `initial: random`.

    Every loss contains y and f, is within the height limit, and is asked once in a run. Where `TRIES` draws find
    none, the generation is smaller; one that is empty is the end.
    """

    plugin_api = 1
    default_evaluator = "partial-training"

    class Config(PluginConfig):
        """Options, with the paper's letters."""

        population: int = Field(20, ge=1, description="P: losses in the queue")
        sample: int = Field(5, ge=1, description="S: members of a tournament")
        cycles: int = Field(200, ge=1, description="C: losses asked in all")
        children: int = Field(5, ge=1, description="losses asked at once")
        max_height: int = Field(6, ge=2, description="largest height of a loss")
        initial: Literal["known", "random"] = Field(
            "known", description="whether known losses are among the first"
        )

    config: Config

    def __init__(
        self, config: Any, problem: Problem, primitives: PrimitiveSet, rng: np.random.Generator
    ) -> None:
        super().__init__(config, problem, primitives, rng)
        self._trees = Trees(primitives, problem, rng)
        self._population: deque[_Member] = deque(maxlen=config.population)
        self._asked: dict[int, Expression] = {}
        self._keys: set[str] = set()
        self._known = list(self._sayable()) if config.initial == "known" else []
        self._generation = self._last_id = 0
        self._done = False

    def ask(self) -> list[Candidate]:
        """The first losses; from then on, children of the population."""
        candidates: list[Candidate] = []
        self._asked = {}
        for _ in range(self._places()):
            proposal = self._new_proposal()
            if proposal is not None:
                tree, parents = proposal
                self._last_id += 1
                self._asked[self._last_id] = tree
                candidates.append(Candidate(self._last_id, self._loss(tree), self._generation, parents))
        self._generation += 1
        self._done = not candidates
        return candidates

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Children enter in the order of asking, and the oldest members die."""
        self._population.extend(_Member(self._asked[o.id], o) for o in outcomes if o.status.completed)

    def _places(self) -> int:
        """How many losses to ask."""
        left = 0 if self._done else self.config.cycles - self._last_id
        return min(left, self.config.children if self._population else self.config.population)

    def _new_proposal(self) -> _Proposal | None:
        """The first of `TRIES` draws that may be asked and was not."""
        for _ in range(TRIES):
            tree, parents = self._draw()
            sound = tree.contains("y") and tree.contains("f") and tree.height <= self.config.max_height
            if sound and (key := self._loss(tree).key) not in self._keys:
                self._keys.add(key)
                return tree, parents
        return None

    def _draw(self) -> _Proposal:
        """A known loss, as long as there are any; a mutant of the best of a sample; or a random loss."""
        if self._known:
            return self._known.pop(0), ()
        if not self._population:
            return self._trees.grow(int(self.rng.integers(2, self.config.max_height + 1))), ()
        places = self.rng.integers(len(self._population), size=self.config.sample)
        best = min((self._population[i] for i in places), key=lambda member: member.outcome.rank_key)
        return self._trees.mutate(best.expression), (best.outcome.id,)

    def _sayable(self) -> Iterator[Expression]:
        """Known losses, but for those that the primitive set has no words for."""
        for text in known_losses(self.problem).values():
            with suppress(ExpressionError):
                yield parse(text, self.primitives)

    def _loss(self, tree: Expression) -> SymbolicLoss:
        return SymbolicLoss(tree, weighted=False).for_problem(self.problem)
