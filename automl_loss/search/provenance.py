"""What a run depends on besides versions: digests of its recipe, of the rows it sees, and of the user's code."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import Any

from automl_loss.final.training_runs import digest
from automl_loss.plugins.import_object import import_object
from automl_loss.recipe import Recipe
from automl_loss.search.from_recipe import RunObjects


def provenance(run: RunObjects) -> dict[str, Any]:
    """Digests as plain data.

    Returns:
        `recipe`: of all that may not change on resume; `rows`: by split; `code`: of each file that the recipe names
        by path or import.
    """
    return {
        "recipe": digest(run.recipe.fixed_data()),
        "rows": run.engine.fingerprint(),
        "code": {str(file): _of_file(file) for file in _own_files(run.recipe)},
    }


def _own_files(recipe: Recipe) -> list[Path]:
    """Source files of the objects that are the user's own."""
    paths = [choice.import_path for choice in recipe.choices if choice.import_path is not None]
    options = [recipe.task_options, *(task.options for task in recipe.tasks)]
    paths += [each.metric for each in options if each.metric is not None and ":" in each.metric]
    found: list[Any] = [import_object(path, recipe.folder) for path in dict.fromkeys(paths)]
    found += [
        choice.cls
        for choice in recipe.choices
        if choice.loaded is not None and choice.import_path is None and choice.package is None
    ]
    files = set()
    for each in found:
        try:
            file = inspect.getsourcefile(inspect.unwrap(each))
        except TypeError:  # an object that is no class, function or module
            file = inspect.getsourcefile(type(each))
        if file is not None and Path(file).is_file():
            files.add(Path(file))
    return sorted(files)


def _of_file(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()
