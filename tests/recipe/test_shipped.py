"""Shipped recipes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import automl_loss.recipe.shipped as shipped_module
from automl_loss.errors import RecipeError
from automl_loss.recipe import load_recipe, shipped_recipe, shipped_recipes

NAMES = [recipe.name for recipe in shipped_recipes() if not recipe.is_comparison]


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
        (folder / "paper" / "a.yaml").write_text(f"\n# From the\n# {word}. More\ntask: digits\n")
        monkeypatch.setattr(shipped_module, "__file__", str(package / "recipe" / "shipped.py"))
        (recipe,) = shipped_recipes()
        assert (recipe.name, recipe.summary) == ("paper/a", f"From the {word}.")
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


def test_each_row_of_the_paper_has_its_published_settings() -> None:
    rows = [name for name in NAMES if name.startswith("paper/")]
    assert len(rows) == 19
    for name in rows:
        recipe = load_recipe(name)
        assert (recipe.tuning.gradient, recipe.tuning.states, recipe.tuning.refused) == (
            "exact",
            "initial",
            "exact",
        )
        assert (recipe.training.scale, recipe.training.lr, recipe.training.steps) == ("free", 0.01, 500)
        assert (recipe.training.batch_size, recipe.budget.candidates) == (128, 25 * 50)
        long = name.startswith(("paper/cifar", "paper/svhn"))
        assert recipe.retraining.steps == (150_000 if long else 10_000)
        decays = [round(share * recipe.retraining.steps) for share in recipe.retraining.milestones or ()]
        assert decays == ([100_000, 135_000] if long else [])
        plain = name.startswith("paper/mnist")
        assert (recipe.training.momentum, recipe.training.weight_decay) == (
            (0.0, 0.0) if plain else (0.9, 5e-4)
        )
