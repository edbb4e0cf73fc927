"""Strategy `taylorglo`, which runs CMA-ES over the parameters of a Taylor polynomial (arXiv 2002.00059)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from cmaes import CMA
from pydantic import Field

from autoloss_taylor.polynomial import published_bound, pull
from automl_loss import (
    Candidate,
    Outcome,
    PluginConfig,
    PrimitiveSet,
    Problem,
    SearchStrategy,
    SymbolicLoss,
    taylor_expression,
    taylor_powers,
)


class TaylorGLO(SearchStrategy):
    """Evolves the parameters of a polynomial in target and prediction by CMA-ES.

    The polynomial of degree k has its centre among its parameters and no terms without the prediction: 5, 8 or 12
    numbers. It runs on the same kernels as a symbolic loss, its weights are not tuned, and outcomes are told to CMA-ES
    by their rank, the only information that it uses; a loss that was rejected or diverged ranks last.

    The published implementation is under an academic licence, and a patent on the method is pending; this one is
    written from the paper's formulas. Commercial users should look into both.
    """

    plugin_api = 1
    default_evaluator = "partial-training"

    class Config(PluginConfig):
        """Options of TaylorGLO."""

        degree: Literal[2, 3, 4] = Field(3, description="k: the polynomial's degree; 5, 8 or 12 parameters.")
        population: int = Field(28, ge=4, description="Losses in a generation.")
        generations: int = Field(100, ge=1, description="Generations after which the strategy is done.")
        sigma: float = Field(
            1.2, gt=0, allow_inf_nan=False, description="Initial step size of CMA-ES, from 0."
        )
        invariant: Literal["direction", "published", "none"] = Field(
            "direction",
            description="Rejects losses that move the uniform prediction the wrong way; published: their condition.",
        )

    config: Config

    def __init__(
        self, config: Any, problem: Problem, primitives: PrimitiveSet, rng: np.random.Generator
    ) -> None:
        super().__init__(config, problem, primitives, rng)
        self._cma = CMA(
            mean=np.zeros(2 + len(taylor_powers(config.degree))),
            sigma=config.sigma,
            seed=int(rng.integers(2**31)),
            population_size=config.population,
        )
        self._generation = 0
        self._asked: list[npt.NDArray[np.float64]] = []

    def ask(self) -> list[Candidate]:
        """Return a sample of CMA-ES; `[]` after the last generation, or when it has converged."""
        if self._generation >= self.config.generations or self._cma.should_stop():
            return []
        self._asked = [self._cma.ask() for _ in range(self.config.population)]
        first = self._generation * self.config.population + 1
        return [self._candidate(number, x) for number, x in enumerate(self._asked, first)]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Tell CMA-ES the ranks of the outcomes; all that failed share the last rank."""
        completed = sorted((o for o in outcomes if o.fitness is not None), key=lambda o: o.rank_key)
        ranks = {outcome.id: float(place) for place, outcome in enumerate(completed)}
        self._cma.tell(
            [(x, ranks.get(o.id, float(len(outcomes)))) for x, o in zip(self._asked, outcomes, strict=True)]
        )
        self._generation += 1

    def _candidate(self, number: int, x: npt.NDArray[np.float64]) -> Candidate:
        parameters = x.tolist()
        loss = SymbolicLoss(taylor_expression(parameters, self.config.degree), weighted=False)
        return Candidate(number, loss, self._generation, rejected=self._objection(parameters))

    def _objection(self, parameters: Sequence[float]) -> str | None:
        """Return why the invariant rejects a loss; `None` when it does not, and always in regression."""
        if not self.problem.is_classification or self.config.invariant == "none":
            return None
        classes, degree = self.problem.classes, self.config.degree
        found = pull(parameters, degree, classes)
        bound = 0.0 if self.config.invariant == "direction" else published_bound(parameters, degree, classes)
        if self.config.invariant == "published" and not found < bound:
            return None
        if self.config.invariant == "direction" and found > 0:
            return None
        return (
            f"at the uniform prediction it moves the wrong way: its pull towards the true class is {found:.3g}, and "
            f"more than {bound:.3g} is needed"
            if math.isfinite(found)
            else "its slope is not finite"
        )
