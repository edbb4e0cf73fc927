"""Shipped recipes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import automl_loss.recipe.shipped as shipped_module
from automl_loss.errors import RecipeError
from automl_loss.recipe import load_recipe, shipped_recipe, shipped_recipes

NAMES = [recipe.name for recipe in shipped_recipes()]


def test_the_two_first_recipes_are_shipped_with_a_summary() -> None:
    assert {"quickstart", "diabetes"} <= set(NAMES)
    assert all(recipe.summary for recipe in shipped_recipes())


def test_recipes_in_the_wheel_come_before_a_checkouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "automl_loss"
    (package / "recipe").mkdir(parents=True)
    for folder, word in ((tmp_path / "recipes", "checkout"), (package / "recipes", "wheel")):
        (folder / "paper").mkdir(parents=True)
        (folder / "paper" / "a.yaml").write_text(f"\n# {word}\n# more\ntask: digits\n")
        monkeypatch.setattr(shipped_module, "__file__", str(package / "recipe" / "shipped.py"))
        (recipe,) = shipped_recipes()
        assert (recipe.name, recipe.summary) == ("paper/a", word)
    shutil.rmtree(package / "recipes")
    shutil.rmtree(tmp_path / "recipes")
    assert shipped_recipes() == []


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no shipped recipe 'diabetis'. Did you mean 'diabetes'\?"):
        shipped_recipe("diabetis")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_valid_with_the_shipped_plugins_and_loads_by_name(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name.rpartition("/")[2]
    assert recipe.notices == ()


def test_a_file_comes_before_a_shipped_recipe_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart").write_text("task: digits\nseed: 77\n")
    assert load_recipe("quickstart").seed == 77
