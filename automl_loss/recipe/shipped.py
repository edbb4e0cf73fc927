"""Find the recipes that come with the package."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

from automl_loss.errors import RecipeError
from automl_loss.recipe.faults import did_you_mean


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe that comes with the package.

    Args:
        name: the NAME of `autoloss run NAME`.
        path: the recipe's file.
    """

    name: str
    path: Path

    @property
    def text(self) -> str:
        """The file as it is, comments included."""
        return self.path.read_text(encoding="utf-8")

    @property
    def is_comparison(self) -> bool:
        """Whether the recipe is for `autoloss compare`."""
        return "\ncompare:" in self.text

    @property
    def summary(self) -> str:
        """The first sentence of its comments."""
        comments = itertools.takewhile(lambda line: line.startswith("#"), self.text.strip().splitlines())
        text = " ".join(line.lstrip("# ").strip() for line in comments)
        return re.split(r"(?<=[.?]) ", text, maxsplit=1)[0]


def shipped_recipes() -> list[ShippedRecipe]:
    """Return all shipped recipes by name: from the wheel's `automl_loss/recipes`, or the checkout's `recipes`."""
    package = Path(__file__).resolve().parents[1]
    folder = next((path for path in (package / "recipes", package.parent / "recipes") if path.is_dir()), None)
    if folder is None:
        return []
    return [
        ShippedRecipe(path.relative_to(folder).with_suffix("").as_posix(), path)
        for path in sorted(folder.rglob("*.yaml"))
    ]


def shipped_recipe(name: str) -> ShippedRecipe:
    """Return the shipped recipe of a name.

    Raises:
        RecipeError: there is none; the message lists those there are.
    """
    recipes = {recipe.name: recipe for recipe in shipped_recipes()}
    if name not in recipes:
        raise RecipeError(f"no shipped recipe '{name}'. {did_you_mean(name, recipes)}")
    return recipes[name]
