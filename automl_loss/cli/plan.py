"""What `autoloss run --dry-run` shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from automl_loss.recipe import Recipe


def show_plan(recipe: Recipe, *, as_json: bool) -> None:
    """Make everything a run needs, short of training, and print what it would do."""
    from automl_loss.recipe import describe
    from automl_loss.search.notices import notices
    from automl_loss.search.setup import set_up

    setup = set_up(recipe)
    plan = describe(recipe, setup.problem)
    path = setup.engine.with_lr(0.01).path if recipe.training.lr == "auto" else setup.engine.path
    network = f"{setup.engine.network.parameters:,} parameters, {setup.engine.width} networks at once"
    if as_json:
        data = {
            "recipe": recipe.to_data(),
            "stages": [{"stage": stage.name, "steps": stage.steps} for stage in plan.stages],
            "steps": plan.steps,
            "parameters": setup.engine.network.parameters,
            "width": setup.engine.width,
            "meta_gradient": path.value,
            "notices": [*recipe.notices, *notices(setup)],
        }
        typer.echo(json.dumps(data, indent=2))
        return
    typer.echo(str(plan))
    typer.echo(f"\nnetwork: {network}\nmeta-gradient: {path.value}")
    for notice in notices(setup):
        typer.echo(f"note: {notice}")
