"""Starts a run, or goes on with one: from a resolved recipe to a result in its directory."""

from __future__ import annotations

from pathlib import Path

from automl_loss.final.result import Result
from automl_loss.plugins.executor import Executor
from automl_loss.recipe import Recipe, recipe_data
from automl_loss.record.recipe_file import settle_recipe
from automl_loss.record.run_directory import RunDirectory
from automl_loss.record.trust import mark_started
from automl_loss.search.from_recipe import set_up
from automl_loss.search.progress import Callback, Progress
from automl_loss.search.run import Run


def run_recipe(
    recipe: Recipe,
    callback: Callback | None = None,
    *,
    directory: str | Path | None = None,
    resume: bool = False,
    executor: Executor | None = None,
) -> Result:
    """Execute a recipe in a run directory; see `automl_loss.run`. No report is written.

    Args:
        recipe: what to run.
        callback: called with progress.
        directory: where to write.
        resume: whether to go on with the run that is there.
        executor: in place of the recipe's.
    """
    # Whatever is wrong with data, model or options is found before a folder is made.
    objects = set_up(recipe, executor)
    if resume:
        place = RunDirectory.open(Path(directory or Path("runs") / recipe.name))
    else:
        place = RunDirectory.create(recipe.name, Path(directory) if directory is not None else None)
    with place:
        notice = settle_recipe(recipe, place)
        mark_started(place.path, recipe_data(place.recipe))
        if notice and callback is not None:
            callback(Progress("search", message=notice))
        return Run(objects, place, callback).execute()
