"""Implement `autoloss recipes list|show|schema`: print the shipped recipes, and the JSON schema of recipes."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Shipped recipes, and the schema of recipes.", no_args_is_help=True)


@app.command("list")
def list_recipes() -> None:
    """List the shipped recipes; `autoloss run NAME` runs one, `autoloss compare compare-...` a comparison."""
    from automl_loss.recipe import shipped_recipes

    recipes = shipped_recipes()
    width = max((len(recipe.name) for recipe in recipes), default=0)
    for recipe in recipes:
        typer.echo(f"{recipe.name:<{width}}  {recipe.summary}")


@app.command()
def show(name: Annotated[str, typer.Argument(help="A name from `autoloss recipes list`.")]) -> None:
    """Print a shipped recipe, comments included; redirect it to a file to make it your own."""
    from automl_loss.recipe import shipped_recipe

    typer.echo(shipped_recipe(name).text, nl=False)


@app.command()
def schema() -> None:
    """Print the JSON schema of recipes with the options of every installed plugin."""
    import json

    from automl_loss.recipe.schema import installed_configs
    from automl_loss.recipe.schema import schema as recipe_schema

    configs, broken = installed_configs()
    for message in broken:
        typer.echo(f"left out: {message}", err=True)
    typer.echo(json.dumps(recipe_schema(configs), indent=2))
