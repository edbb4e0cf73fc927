"""Write the resolved recipe into a run directory, or compare it with the one that a resumed run began with."""

from __future__ import annotations

from automl_loss.errors import ResumeError
from automl_loss.recipe import Recipe, recipe_data
from automl_loss.record.atomic import replace_text
from automl_loss.record.run_directory import RunDirectory
from automl_loss.record.versions import versions


def settle_recipe(recipe: Recipe, directory: RunDirectory) -> str:
    """Write the recipe into a new run directory, or compare it with the one that is there.

    Returns:
        What the user should know: other versions than the run began with may give other last bits.

    Raises:
        ResumeError: the recipe differs in what may not change on resume.
    """
    facts = [f"# {name}: {version}" for name, version in versions(recipe).items()]
    notice = ""
    if directory.resumed:
        # As plain data: the recorded recipe is compared, and nothing that it names is imported.
        recorded = recipe_data(directory.recipe)
        changed = recipe.changed_since(recorded)
        if changed:
            raise ResumeError(
                f"{directory.path} was made by a recipe that differs in {', '.join(changed)}. Only budget, "
                f"executor, finalists and retraining may change on resume; go on with {directory.recipe}, or "
                f"start a new run."
            )
        lines = directory.recipe.read_text(encoding="utf-8").splitlines()
        new = [fact.removeprefix("# ") for fact in facts if fact not in lines]
        if new:
            notice = f"this run began with other versions; now {', '.join(new)}: the last bits may differ."
    text = "\n".join(
        ["# The resolved recipe of this run, made with:", *facts, "", recipe.to_yaml(with_folder=True)]
    )
    replace_text(directory.recipe, text)
    return notice
