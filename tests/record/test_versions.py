from __future__ import annotations

import platform
from importlib.metadata import version
from types import SimpleNamespace
from typing import cast

from automl_loss.recipe import Recipe
from automl_loss.record.versions import versions


def recipe(*packages: str | None) -> Recipe:
    return cast(Recipe, SimpleNamespace(choices=[SimpleNamespace(package=package) for package in packages]))


def test_versions_are_those_of_the_installed_packages_and_of_the_plugins() -> None:
    found = versions(recipe("automl-loss", None, "hypothesis", "automl-loss", None, "no-such-package"))
    assert found["python"] == platform.python_version()
    for package in ("automl-loss", "torch", "numpy", "optuna", "hypothesis"):
        assert found[package] == version(package)
    assert found["no-such-package"] == "not installed"
