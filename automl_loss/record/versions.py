"""Versions of what a run's numbers depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from automl_loss.recipe import Recipe

_PACKAGES = ("automl-loss", "torch", "numpy", "numba", "scikit-learn", "deap", "optuna")


def versions(recipe: Recipe) -> dict[str, str]:
    """Versions of Python, the processor, the packages that compute, and the recipe's plugins."""
    plugins = (choice.package for choice in recipe.choices if choice.package is not None)
    found = {"python": platform.python_version(), "processor": platform.machine()}
    return found | {package: _version(package) for package in dict.fromkeys((*_PACKAGES, *plugins))}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
