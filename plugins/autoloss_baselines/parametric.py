"""Strategy `parametric`, which searches loss families and their parameters by a tree-structured Parzen estimator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
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
)

_RANGES: dict[str, dict[str, tuple[float, float, bool]]] = {
    "label_smoothing": {"epsilon": (0.01, 0.6, False)},
    "focal": {"gamma": (0.1, 5.0, False)},
    "poly1": {"epsilon": (-0.9, 8.0, False)},
    "gce": {"q": (0.05, 1.0, False)},
    "symmetric_ce": {"alpha": (0.01, 10.0, True), "beta": (0.05, 2.0, True)},
    "logit_adjusted_ce": {"tau": (0.1, 3.0, False)},
    "huber": {"delta": (0.05, 5.0, True)},
    "student_t": {"nu": (0.3, 30.0, True)},
    "pinball": {"tau": (0.05, 0.95, False)},
}
"""Minimum, maximum, and whether the scale is logarithmic. Ranges contain the settings of the families' papers."""
_LR_FACTORS = (0.1, 10.0)


class Parametric(SearchStrategy):
    """Searches the known families of losses and their parameters by Optuna's TPE, as a baseline for a found loss.

    A family's parameters are sampled under that family alone. Families without any are asked once, at the beginning,
    unless the learning rate is searched, which makes them differ. Candidates that fail are told as such.
    """

    plugin_api = 1
    default_evaluator = "partial-training"

    class Config(PluginConfig):
        """Options of the search."""

        population: int = Field(10, ge=1, description="Losses that are asked at once.")
        generations: int = Field(50, ge=1, description="Generations after which the strategy is done.")
        tune_lr: bool = Field(False, description="Whether the learning rate is searched, too, as a multiple.")

    config: Config

    def __init__(
        self, config: Any, problem: Problem, primitives: PrimitiveSet, rng: np.random.Generator
    ) -> None:
        super().__init__(config, problem, primitives, rng)
        names = sorted({loss.name for loss in catalogue(problem) if loss.name != problem.task_loss})
        self._families = [name for name in names if config.tune_lr or name in _RANGES]
        self._fixed = [self._loss(name, {}) for name in names if name not in self._families]
        self._study = _study(int(rng.integers(2**31)))
        self._asked: list[optuna.Trial | None] = []
        self._generation = 0
        self._seen: set[tuple[object, ...]] = set()

    def ask(self) -> list[Candidate]:
        """Return the sampler's next proposals, none asked before; `[]` after the last generation."""
        if self._generation >= self.config.generations:
            return []
        self._asked = []
        candidates: list[Candidate] = []
        first = len(self._seen) + 1
        while self._fixed and len(candidates) < self.config.population:
            loss = self._fixed.pop(0)
            self._seen.add((loss.key,))
            self._asked.append(None)
            candidates.append(Candidate(first + len(candidates), loss, self._generation))
        if len(candidates) == self.config.population:
            self._generation += 1
            return candidates
        for _ in range(20 * self.config.population):
            trial = self._study.ask()
            loss, overrides = self._proposal(trial)
            key = (loss.key, *overrides.items())
            if key in self._seen:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            self._seen.add(key)
            self._asked.append(trial)
            candidates.append(Candidate(first + len(candidates), loss, self._generation, overrides=overrides))
            if len(candidates) == self.config.population:
                break
        self._generation = self._generation + 1 if candidates else self.config.generations
        return candidates

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Tell the sampler each fitness, or that there is none."""
        for trial, outcome in zip(self._asked, outcomes, strict=True):
            if trial is None:
                continue
            if outcome.fitness is None or not math.isfinite(outcome.fitness):
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, float(outcome.fitness))

    def _proposal(self, trial: optuna.Trial) -> tuple[HandcraftedLoss, dict[str, float]]:
        family = trial.suggest_categorical("family", self._families)
        parameters = {
            name: trial.suggest_float(f"{family}.{name}", low, high, log=log)
            for name, (low, high, log) in _RANGES.get(family, {}).items()
        }
        overrides = {}
        if self.config.tune_lr:
            overrides["lr_factor"] = trial.suggest_float("lr_factor", *_LR_FACTORS, log=True)
        return self._loss(family, parameters), overrides

    def _loss(self, family: str, parameters: dict[str, float]) -> HandcraftedLoss:
        return HandcraftedLoss(family, self.problem.kind, parameters).for_problem(self.problem)


def _study(seed: int) -> optuna.Study:
    """Make a study in memory, without Optuna's log messages."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    finally:
        optuna.logging.set_verbosity(before)
