"""Show the plan of a run for `autoloss run --dry-run`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from automl_loss.errors import MissingDataError, RecipeError

if TYPE_CHECKING:
    from automl_loss.recipe import Recipe


def show_plan(recipe: Recipe, *, as_json: bool) -> None:
    """Make every object of a run, without training, and print what the run would do."""
    from automl_loss.search.cost import describe
    from automl_loss.search.from_recipe import set_up
    from automl_loss.search.notices import notices

    try:
        setup = set_up(recipe)
    except MissingDataError as error:
        _show_without_data(recipe, error, as_json=as_json)
        return
    plan = describe(recipe, setup.problem)
    first = setup.engine.parts[0]
    path = first.with_lr(0.01).path if recipe.training.lr == "auto" else first.path
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


def _show_without_data(recipe: Recipe, error: MissingDataError, *, as_json: bool) -> None:
    """Print the plan of a recipe whose data are missing."""
    from automl_loss.search.cost import describe
    from automl_loss.search.from_recipe import check_network, check_tasks

    problem, problems = check_tasks(recipe)
    if problems:
        raise RecipeError(problems)
    parameters, width = check_network(recipe, problem)
    plan = describe(recipe, problem)
    if as_json:
        data = {
            "recipe": recipe.to_data(),
            "stages": [{"stage": stage.name, "steps": stage.steps} for stage in plan.stages],
            "steps": plan.steps,
            "parameters": parameters,
            "width": width,
            "meta_gradient": None,
            "notices": [*recipe.notices, str(error)],
        }
        typer.echo(json.dumps(data, indent=2))
        return
    typer.echo(str(plan))
    typer.echo(f"\nnetwork: {parameters:,} parameters, {width} networks at once")
    typer.echo(f"note: the data are not there, so they were not looked at. {error}")
