"""Paths that name code: what is malformed is a fault of the recipe, with place and remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_loss import AutolossError, PluginError, RecipeError
from automl_loss.plugins.import_path import is_object_path, local_problem, module_problem
from automl_loss.recipe import load_recipe

MALFORMED = [
    "my-pkg:Mine", "my pkg:Mine", "a:b:C", ":Mine", "x:", "x", "", ":", "a..b:Mine", ".a:Mine", "a.:Mine", "class:Mine",
    "a:class", "a:B C", "./folder:Mine", "folder/:Mine", "./noext:Mine", "mine.py", "./mine.py", "./mine.py:A.B",
    "./mine.py:1", "x\0.py:Mine", "~:Mine", "/:Mine", " :Mine", "\u200b:Mine",
]  # fmt: skip


def told(tmp_path: Path, recipe: object) -> AutolossError:
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    with pytest.raises(AutolossError) as caught:
        load_recipe(file)
    return caught.value


@pytest.mark.parametrize("path", MALFORMED)
def test_a_malformed_path_of_a_local_plugin_is_a_fault_of_the_recipe_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "noext").write_text("class Mine: pass")
    entry = {"kind": "strategy", "name": "mine", "path": path}
    error = told(tmp_path, {"task": {"name": "wine"}, "plugins": [entry]})
    assert type(error) is RecipeError
    assert "recipe.yaml:1:" in str(error)
    assert "plugins[0].path: " in str(error)
    assert "'./mine.py:Mine'" in str(error)


@pytest.mark.parametrize("path", [path for path in MALFORMED if path])
def test_a_malformed_import_path_is_a_fault_of_the_recipe_with_its_place(tmp_path: Path, path: str) -> None:
    for section in ("task", "model"):
        error = told(tmp_path, {"task": {"name": "wine"}, section: {"import": path}})
        assert "recipe.yaml:1:" in str(error)
        assert f"{section}.import: " in str(error)
        assert isinstance(error, RecipeError | PluginError)


@pytest.mark.parametrize(
    ("source", "path", "said"),
    [
        ("class Other: pass", "./mine.py:Mine", "correct `path`: the module defines Other"),
        ("class Mine: pass", "./mine.py:Mine", "class Mine is of no plugin kind; expected a subclass"),
        ("from .beside import x", "./mine.py:Mine", "import what lies beside it without the dots"),
        ("from . import os", "./mine.py:Mine", "belongs to no package"),
        ("def broken(:", "./mine.py:Mine", "SyntaxError"),
        ("", "./absent.py:Mine", "it names a Python file, relative to the recipe"),
        ("", "random:Mine", "'random' is a module of Python's standard library"),
        ("", "json:Mine", "give the file another name"),
        ("", "no_such_module_here:Mine", "there is no such module"),
        ("import sys\nsys.path.clear()", "./mine.py:Mine", "has no attribute 'Mine'"),
    ],
)
def test_a_well_formed_path_that_leads_nowhere_says_where_it_stands_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, path: str, said: str
) -> None:
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(source)
    entry = {"kind": "strategy", "name": "mine", "path": path}
    error = told(tmp_path, {"task": {"name": "wine"}, "plugins": [entry], "strategy": {"name": "mine"}})
    assert type(error) is PluginError
    assert "recipe.yaml:1:" in str(error)
    assert said in str(error)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_either_well_formed_or_told_why_not(text: str) -> None:
    problem = local_problem(text)
    assert problem == "" or problem.endswith(".")
    if is_object_path(text) and text.count(".", text.find(":")) == 0:
        assert problem == ""
    module_problem(text)
