"""What a run depends on besides versions: digests of its recipe, of the rows it sees, and of the user's code."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_loss.errors import ResumeError
from automl_loss.plugins.import_object import import_object
from automl_loss.recipe import Recipe
from automl_loss.record.checksum import checksum
from automl_loss.search.from_recipe import RunObjects


def provenance(run: RunObjects) -> dict[str, Any]:
    """Digests as plain data.

    Returns:
        `recipe`: all that may not change on resume; `rows`: digests by split; `code`: digest of each file that the
        recipe names by path or import.
    """
    return {
        "recipe": run.recipe.fixed_data(),
        "rows": run.engine.fingerprint(),
        "code": {str(file): _of_file(file) for file in _own_files(run.recipe)},
    }


def changes(recorded: Mapping[str, Any], facts: Mapping[str, Any], run: RunObjects, file: Path) -> str:
    """Compare what a resumed run depends on with what is on record.

    Args:
        recorded: of the run when it began.
        facts: of the run now.
        run: the run.
        file: where the record lies, for messages.

    Returns:
        What the user should know: code that was changed may give other results. Empty where nothing was.

    Raises:
        ResumeError: the recipe or the rows differ.
    """
    # Before this was checked, the record held a digest of the recipe alone.
    recipe = recorded["recipe"] if isinstance(recorded["recipe"], Mapping) else {}
    changed = run.recipe.changed_since(recipe)
    if changed:
        raise ResumeError(
            f"{file}: these records were made under a recipe that differs in {', '.join(changed)}; they are left as "
            f"they are. Go on with the recipe that they were made under, or start a new run in another directory."
        )
    rows = [name for name, value in facts["rows"].items() if recorded["rows"].get(name, value) != value]
    if rows:
        raise ResumeError(
            f"{file}: the data changed since this run began ({', '.join(map(str, rows))} rows differ), so that what "
            f"is on record does not go with them. Restore the data, or start a new run in another directory."
        )
    files = [name for name, value in facts["code"].items() if recorded["code"].get(name, value) != value]
    return (
        f"{', '.join(files)} changed since this run began: results may differ from here on." if files else ""
    )


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
    return checksum(file.read_bytes())
