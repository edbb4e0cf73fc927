"""`requires: ["name>=1.2"]`: packages that a recipe needs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import InvalidRequirement, Requirement

from automl_loss.recipe.document import Document
from automl_loss.recipe.faults import Faults


def check_requirements(requirements: Sequence[str], document: Document, faults: Faults) -> None:
    """Note requirements that are malformed (the recipe's fault) or not met (a missing plugin package's)."""
    for index, text in enumerate(requirements):
        place, key = document.value_place(("requires", index)), f"requires[{index}]"
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            faults.add(place, key, f"expected a package and its versions, such as 'name>=1.2', got {text!r}.")
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            message = f"package '{requirement.name}' is not installed; try `pip install '{text}'`."
            faults.add(place, key, message, plugin=True)
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            message = f"needs {text}, but version {installed} is installed; try `pip install '{text}'`."
            faults.add(place, key, message, plugin=True)
