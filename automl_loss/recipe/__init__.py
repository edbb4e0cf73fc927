"""Read YAML into a validated `Recipe`, with file:line:column in every error.

`load_recipe` reads a file, a shipped recipe's name or a mapping;
`schema` gives the JSON schema of recipes with the installed plugins' options; `shipped_recipes` lists what
comes with the package.
"""

from __future__ import annotations

from automl_loss.recipe.core_sections import (
    Budget,
    ExecutorOptions,
    FilterSettings,
    Finalists,
    LocalPlugin,
    Retraining,
)
from automl_loss.recipe.load import load_recipe, recipe_data
from automl_loss.recipe.recipe import Recipe, differing_keys
from automl_loss.recipe.schema import schema
from automl_loss.recipe.sections import Choice
from automl_loss.recipe.shipped import ShippedRecipe, shipped_recipe, shipped_recipes

__all__ = [
    "Budget",
    "Choice",
    "ExecutorOptions",
    "FilterSettings",
    "Finalists",
    "LocalPlugin",
    "Recipe",
    "Retraining",
    "ShippedRecipe",
    "differing_keys",
    "load_recipe",
    "recipe_data",
    "schema",
    "shipped_recipe",
    "shipped_recipes",
]
