"""What the guide for plugin authors shows is checked and run as it stands, so that it cannot rot."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from automl_loss import Recipe, load_recipe, run
from automl_loss.plugins.contract import BASES
from automl_loss.plugins.discovery import GROUPS
from automl_loss.plugins.loading import Registry
from automl_loss.testing import check_plugin
from automl_loss.testing.check import laws_of

DOCS = Path(__file__).parents[1] / "docs"
ENTRY = (DOCS / "plugins.md").read_text(encoding="utf-8")
PAGES = sorted((DOCS / "plugins").glob("*.md"))
SMALL = [
    "budget.candidates=6", "training.steps=30", "training.lr=0.1", "tuning.steps=5", "finalists.steps=30",
    "finalists.handcrafted=0", "finalists.count=1", "finalists.seeds=2", "finalists.lr_factors=[1]",
    "retraining.steps=30", "retraining.seeds=3", "retraining.lr=0.1",
    "filters.rejection_steps=50",
]  # fmt: skip

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def block(page: Path, language: str) -> str:
    """The one block of a language on a page."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", text(page), flags=re.DOTALL)
    return str(found)


def written(page: Path, folder: Path) -> tuple[Path, Recipe]:
    """A page's example and recipe as files, as a reader would copy them; and the recipe as read."""
    code, recipe = block(page, "python"), folder / "recipe.yaml"
    (name,) = re.findall(r'path: "\./(\w+\.py):', block(page, "yaml"))
    assert code.startswith(f'"""{name}"""'), "the example says another file name than its recipe"
    (folder / name).write_text(code, encoding="utf-8")
    recipe.write_text(block(page, "yaml"), encoding="utf-8")
    return recipe, load_recipe(recipe)


@pages
def test_each_example_keeps_every_law(page: Path, tmp_path: Path) -> None:
    _, recipe = written(page, tmp_path)
    (local,) = recipe.plugins
    loaded = Registry(recipe.plugins).load(local.kind, local.name)
    assert [str(finding) for finding in check_plugin(loaded.cls)] == []
    assert "`autoloss plugins check ./" + Path(local.path).name in text(page)


@pages
def test_each_recipe_runs_with_its_example(page: Path, tmp_path: Path) -> None:
    file, recipe = written(page, tmp_path)
    (local,) = recipe.plugins
    assert local.name in [choice.name for choice in recipe.choices if choice.kind == local.kind]
    workers = [] if local.kind == "executor" else ["executor.workers=1"]
    result = run(file, overrides=[*SMALL, *workers], directory=tmp_path / "run")
    assert result.data["search"]["evaluated"] > 0
    assert result.verdict


@pages
def test_each_page_names_the_interface_and_laws_that_the_kit_knows(page: Path, tmp_path: Path) -> None:
    (local,) = written(page, tmp_path)[1].plugins
    missing = [name for name in BASES[local.kind].__abstractmethods__ if name not in text(page)]
    assert missing == []
    named = re.findall(r"^\| `([a-z-]+)` \|", text(page), flags=re.MULTILINE)
    assert named
    assert set(named) <= {law.name for law in laws_of(local.kind)}


def test_every_kind_has_a_page_and_the_entry_page_links_to_it() -> None:
    linked = re.findall(r"\| `(\w+)` \| \[.*?\]\(plugins/([\w-]+\.md)\) \| `([\w.]+)` \|", ENTRY)
    assert {kind: group for kind, _, group in linked} == dict(GROUPS)
    assert sorted(file for _, file, _ in linked) == [page.name for page in PAGES]
    for kind, file, _ in linked:
        assert f"{{kind: {kind}, " in block(DOCS / "plugins" / file, "yaml")
