"""What a recipe would do and cost, without doing it: the text of `autoloss run --dry-run`.

Costs are counted in training-step equivalents: one forward and backward pass of one network on one batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from automl_loss.engine.settings import TOP_SHARE
from automl_loss.engine.tuning.tuning_steps import HELD_OUT
from automl_loss.final.learning_rate import SEEDS, default_grid
from automl_loss.losses.handcrafted import catalogue
from automl_loss.losses.problem import Problem
from automl_loss.recipe.recipe import Recipe
from automl_loss.recipe.sections import Choice

LR_RATES = len(default_grid("sgd"))
"""Learning rates tried for one loss, before a best one at the edge extends the grid."""
TUNING_STEP = 3
"""Equivalents of a meta-gradient step: one in training, one in validation, one for the Jacobian product."""


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Args:
        name: what it is.
        steps: training-step equivalents, about.
        formula: how they were counted, for a person.
    """

    name: str
    steps: int
    formula: str


@dataclass(frozen=True)
class DryRun:
    """What a recipe would do.

    Args:
        recipe: as resolved.
        stages: in order, with their cost.
        plugins: each plugin in use with package and version.
    """

    recipe: Recipe
    stages: tuple[Stage, ...]
    plugins: tuple[str, ...]

    @property
    def steps(self) -> int:
        """Training-step equivalents of the whole run, about."""
        return sum(stage.steps for stage in self.stages)

    def __str__(self) -> str:
        budget = self.recipe.budget
        limit = "" if budget.minutes is None else f", at most {budget.minutes:g} minutes"
        width = max(len(stage.name) for stage in self.stages)
        lines = [
            self.recipe.to_yaml(),
            *(f"note: {notice}" for notice in self.recipe.notices),
            "Plugins",
            *(f"  {line}" for line in self.plugins),
            "",
            f"Search budget: {budget.candidates:,} candidates that are tuned or trained{limit}",
            "Training-step equivalents, about",
            *(f"  {stage.name:<{width}} {stage.steps:>13,}  {stage.formula}" for stage in self.stages),
            f"  {'in all':<{width}} {self.steps:>13,}",
        ]
        return "\n".join(lines)


def describe(recipe: Recipe, problem: Problem) -> DryRun:
    """What a recipe would do and cost.

    Racing, diverging and a strategy that ends early make it less; a best learning rate at the edge of the
    grid, and amortised tuning that its guard refuses, make it more.

    Args:
        recipe: resolved.
        problem: the task's, which says how many handcrafted losses there are to compare with.
    """
    stages = [*_search(recipe), *_final(recipe, len(list(catalogue(problem)))), *_retraining(recipe)]
    return DryRun(
        recipe,
        tuple(stage for stage in stages if stage.steps),
        tuple(_line(choice) for choice in recipe.choices),
    )


def final_steps(recipe: Recipe, problem: Problem) -> int:
    """Training-step equivalents of what comes after the search, about."""
    stages = [*_final(recipe, len(list(catalogue(problem)))), *_retraining(recipe)]
    return max(1, len(recipe.tasks)) * sum(stage.steps for stage in stages)


def _line(choice: Choice) -> str:
    origin = f"{choice.package} {choice.version}" if choice.package else "local"
    return f"{choice.kind.replace('_', ' ')} {choice.label} ({origin})"


def _search(recipe: Recipe) -> list[Stage]:
    training, tuning, candidates = recipe.training, recipe.tuning, recipe.budget.candidates
    runs = training.seeds + TOP_SHARE * training.top_seeds
    stages = [
        Stage(
            "search: learning rate",
            LR_RATES * SEEDS * training.steps if training.lr == "auto" else 0,
            f"{LR_RATES} rates x {SEEDS} seeds x {training.steps:,} steps",
        ),
        Stage(
            "search: trajectory",
            training.steps if tuning.states == "trajectory" or recipe.filters.gradient_equivalence else 0,
            f"one run of the task loss, {training.steps:,} steps",
        ),
    ]
    if tuning.steps and recipe.evaluator.cls.tunes:
        if tuning.gradient == "amortised" and tuning.inner_steps == 1:
            count, formula = TUNING_STEP * (tuning.steps + HELD_OUT), "once for all candidates"
            formula = f"{TUNING_STEP} x ({tuning.steps:,} + {HELD_OUT}) steps, {formula}"
        else:
            count = candidates * TUNING_STEP * tuning.inner_steps * tuning.steps
            formula = (
                f"{candidates:,} candidates x {TUNING_STEP} x {tuning.inner_steps} x {tuning.steps:,} steps"
            )
        stages.append(Stage("search: tuning", count, formula))
    seeds = f"{training.seeds} seed(s)"
    if training.top_seeds:
        seeds = f"({seeds} + {training.top_seeds} for the top fifth)"
    stages.append(
        Stage(
            "search: training",
            round((candidates + 1) * runs * training.steps),
            f"({candidates:,} candidates + the task loss) x {seeds} x {training.steps:,} steps",
        )
    )
    return stages


def _final(recipe: Recipe, handcrafted: int) -> list[Stage]:
    finalists = recipe.finalists
    rates, steps = len(finalists.lr_factors), finalists.steps
    return [
        Stage(
            "finalists: best handcrafted",
            handcrafted * rates * steps if finalists.handcrafted else 0,
            f"{handcrafted} losses x {rates} rates x {steps:,} steps",
        ),
        Stage(
            "finalists",
            (finalists.count + finalists.handcrafted) * rates * finalists.seeds * steps,
            f"({finalists.count} + {finalists.handcrafted} handcrafted) x {rates} rates x {finalists.seeds} seeds "
            f"x {steps:,} steps",
        ),
    ]


def _retraining(recipe: Recipe) -> list[Stage]:
    retraining = recipe.retraining
    losses = 3 if recipe.finalists.handcrafted else 2
    return [
        Stage(
            "retraining: learning rate",
            losses * LR_RATES * SEEDS * retraining.steps if retraining.lr == "auto" else 0,
            f"{losses} losses x {LR_RATES} rates x {SEEDS} seeds x {retraining.steps:,} steps",
        ),
        Stage(
            "retraining",
            losses * retraining.seeds * retraining.steps,
            f"{losses} losses x {retraining.seeds} seeds x {retraining.steps:,} steps",
        ),
    ]
