"""Check the packages that a recipe needs: `requires: ["name>=1.2"]`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from automl_loss.recipe.document import Document
from automl_loss.recipe.faults import Faults


def check_requirements(document: Document, faults: Faults) -> None:
    """Note requirements that are malformed (the recipe's fault) or not met (a missing plugin package's).

    When one is not met, nothing else is checked: plugins are not loaded, since their imports would fail for the same
    reason.

    Raises:
        PluginError: a requirement is not met, and nothing else is wrong so far.
        RecipeError: a requirement is not met, and something else is wrong, too.
    """
    texts = document.get(("requires",))
    missing = False
    for index, text in enumerate(texts if isinstance(texts, list) else []):
        place, key = document.value_place(("requires", index)), f"requires[{index}]"
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, TypeError):
            if isinstance(text, str):  # an entry that is no text is reported as a fault of the section
                message = f"expected a package and its versions, such as 'name>=1.2', got {text!r}."
                faults.add(place, key, message)
            continue
        unmet = _unmet(requirement, text)
        if unmet:
            faults.add(place, key, unmet, plugin=True)
            missing = True
    if missing:
        faults.raise_all()


def _unmet(requirement: Requirement, text: str) -> str | None:
    """Return why a requirement is not met, with the remedy; `None` when it is met."""
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return f"package '{requirement.name}' is not installed; try `pip install '{text}'`."
    try:
        if requirement.specifier.contains(installed, prereleases=True):
            return None
    except InvalidVersion:
        # Not a standard version number, so it cannot be compared with the required versions.
        pass
    return f"needs {text}, but version {installed} is installed; try `pip install '{text}'`."
