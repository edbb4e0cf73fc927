"""The user's own objects, by import path."""

from __future__ import annotations

import difflib
import importlib
import sys
from pathlib import Path
from typing import Any

from automl_loss import EvaluationError, RecipeError


def object_at(path: str, folder: Path | None, key: str) -> Any:
    """The object at `module:name`.

    Args:
        path: its module is looked for beside the recipe, in the working directory and among the installed packages.
        folder: where the recipe lies.
        key: of the recipe, for messages.

    Raises:
        RecipeError: the path is not of that form, or there is no such module or name.
        EvaluationError: the module fails when imported.
    """
    module, colon, name = path.partition(":")
    if not (colon and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))):
        raise RecipeError(
            f"task.{key}: {path!r} is not an import path; write 'module:name', such as 'mydata:train'."
        )
    places = [str(place) for place in (*([] if folder is None else [folder.resolve()]), Path.cwd())]
    sys.path[:0] = places
    try:
        importlib.invalidate_caches()
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise EvaluationError(
                f"task.{key}: module {module!r} needs a module that is not installed: {error}. Install it in this "
                f"environment."
            ) from error
        raise RecipeError(
            f"task.{key}: no module {error.name!r} for {path!r}; looked in {', '.join(places)} and the installed "
            f"packages. Put it beside the recipe, or install its package."
        ) from error
    except (Exception, SystemExit) as error:
        raise EvaluationError(
            f"task.{key}: module {module!r} fails when imported: {type(error).__name__}: {error}"
        ) from error
    finally:
        for place in places:
            sys.path.remove(place)
    for part in name.split("."):
        if not hasattr(found, part):
            public = [each for each in dir(found) if not each.startswith("_")]
            close = difflib.get_close_matches(part, public, n=1)
            hint = (
                f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(public[:10]) or 'no names'}."
            )
            raise RecipeError(f"task.{key}: module {module!r} has no {name!r}. {hint}")
        found = getattr(found, part)
    return found
