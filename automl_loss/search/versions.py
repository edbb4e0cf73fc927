"""Versions of what a run's numbers depend on."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("automl-loss", "torch", "numpy", "numba", "scikit-learn", "deap", "optuna")


def installed_versions(packages: Iterable[str] = ()) -> dict[str, str]:
    """Versions of Python, the processor type, the packages that compute, and the given ones.

    Args:
        packages: further distributions, e.g. those of plugins.
    """
    found = {"python": platform.python_version(), "processor": platform.machine()}
    for package in dict.fromkeys((*_PACKAGES, *packages)):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
