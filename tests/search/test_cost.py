"""What a dry run says, counted again by hand."""

from __future__ import annotations

from collections.abc import Callable

from automl_loss.losses.handcrafted import catalogue
from automl_loss.losses.problem import Problem
from automl_loss.recipe import Recipe
from automl_loss.search.cost import describe

Load = Callable[..., Recipe]

DIGITS = Problem.classification((64,), 10)

TEXT = """
name: plan
task: digits
training: {steps: 100, seeds: 2, top_seeds: 5}
tuning: {steps: 50}
budget: {candidates: 40}
finalists: {count: 3, seeds: 2, steps: 200, lr_factors: [0.5, 1, 2, 4, 8]}
retraining: {seeds: 6, steps: 300}
"""


def steps_of(recipe: Recipe) -> dict[str, int]:
    return {stage.name: stage.steps for stage in describe(recipe, DIGITS).stages}


def test_every_stage_is_counted_by_its_formula(load: Load) -> None:
    plan = describe(load(TEXT), DIGITS)
    handcrafted = len(list(catalogue(DIGITS)))
    assert handcrafted > 5
    assert {stage.name: stage.steps for stage in plan.stages} == {
        "search: learning rate": 7 * 3 * 100,
        "search: trajectory": 100,
        "search: tuning": 3 * (50 + 8),
        "search: training": 41
        * (2 + 1)
        * 100,  # a fifth of the candidates have 5 more seeds: one more on average
        "finalists: best handcrafted": handcrafted * 5 * 200,
        "finalists": (3 + 3) * 5 * 2 * 200,
        "retraining: learning rate": 3 * 7 * 3 * 300,
        "retraining": 3 * 6 * 300,
    }
    assert plan.steps == 2100 + 100 + 174 + 12300 + handcrafted * 1000 + 12000 + 18900 + 5400


def test_exact_tuning_is_paid_by_every_candidate(load: Load) -> None:
    assert steps_of(load(TEXT, ["tuning.gradient=exact"]))["search: tuning"] == 40 * 3 * 50
    several = steps_of(load(TEXT, ["tuning.inner_steps=4"]))
    assert several["search: tuning"] == 40 * 3 * 4 * 50


def test_stages_that_cost_nothing_are_left_out(load: Load) -> None:
    fixed = load(
        TEXT, ["training.lr=0.1", "retraining.lr=0.1", "tuning=none", "filters.gradient_equivalence=false"]
    )
    assert set(steps_of(fixed)) == {
        "search: training",
        "finalists: best handcrafted",
        "finalists",
        "retraining",
    }
    initial = load(TEXT, ["tuning.states=initial", "filters.gradient_equivalence=false"])
    assert "search: trajectory" not in steps_of(initial)
    assert "search: tuning" not in steps_of(load(TEXT, ["evaluator=partial-training"]))


def test_the_text_shows_recipe_plugins_budget_and_totals(load: Load) -> None:
    recipe = load(TEXT, ["budget.minutes=1.5", "strategy.name=random", "tuning.inner_steps=4"])
    text = str(describe(recipe, DIGITS))
    assert text.startswith(recipe.to_yaml())
    assert "strategy random (made-up 1.2)" in text
    assert "40 candidates that are tuned or trained, at most 1.5 minutes" in text
    assert "7 rates x 3 seeds x 100 steps" in text
    assert f"{describe(recipe, DIGITS).steps:,}" in text.splitlines()[-1]
    assert len(recipe.notices) == 1
    assert f"note: {recipe.notices[0]}" in text
