"""Starts a run, or goes on with one: from a resolved recipe to a result in its directory."""

from __future__ import annotations

from pathlib import Path

from automl_loss.errors import ResumeError
from automl_loss.final.result import Result
from automl_loss.recipe import Recipe, load_recipe
from automl_loss.record.atomic import replace_text
from automl_loss.record.run_directory import RunDirectory
from automl_loss.record.versions import versions
from automl_loss.search.from_recipe import set_up
from automl_loss.search.progress import Callback, Progress
from automl_loss.search.run import Run


def run_recipe(
    recipe: Recipe,
    callback: Callback | None = None,
    *,
    directory: str | Path | None = None,
    resume: bool = False,
) -> Result:
    """Execute a recipe in a run directory; see `automl_loss.run`. No report is written."""
    # Whatever is wrong with data, model or options is found before a folder is made.
    objects = set_up(recipe)
    if resume:
        place = RunDirectory.open(Path(directory or Path("runs") / recipe.name))
    else:
        place = RunDirectory.create(recipe.name, Path(directory) if directory is not None else None)
    with place:
        notice = _settle_recipe(recipe, place)
        if notice and callback is not None:
            callback(Progress("search", message=notice))
        return Run(objects, place, callback).execute()


def _settle_recipe(recipe: Recipe, place: RunDirectory) -> str:
    """Write the recipe into a new run directory, or compare it with the one that is there.

    Returns:
        What the user should know: other versions than the run began with may give other last bits.
    """
    facts = [f"# {name}: {version}" for name, version in versions(recipe).items()]
    notice = ""

    if place.resumed:
        recorded = load_recipe(place.recipe)
        changed = recipe.difference(recorded)
        if changed:
            raise ResumeError(
                f"{place.path} was made by a recipe that differs in {', '.join(changed)}. Only budget, "
                f"executor, finalists and retraining may change on resume; go on with {place.recipe}, or "
                f"start a new run."
            )
        lines = place.recipe.read_text(encoding="utf-8").splitlines()
        new = [fact.removeprefix("# ") for fact in facts if fact not in lines]
        if new:
            notice = f"this run began with other versions; now {', '.join(new)}: the last bits may differ."
    text = "\n".join(
        ["# The resolved recipe of this run, made with:", *facts, "", recipe.to_yaml(with_folder=True)]
    )
    replace_text(place.recipe, text)
    return notice
