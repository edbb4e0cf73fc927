"""Import objects of the user's own code by import path."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automl_loss.errors import EvaluationError, RecipeError
from automl_loss.plugins.import_path import hidden_by_standard_library, is_object_path, module_problem
from automl_loss.plugins.local_code import check_local_code
from automl_loss.plugins.process_state import kept
from automl_loss.plugins.time_limit import import_limit, time_limit

_SHOWN = 10


def import_object(path: str, folder: Path | None = None, key: str = "import") -> Any:
    """Import the object at `module:name`.

    Modules are looked for where Python looks, and before that in `folder` and the working directory, which
    are on `sys.path` during the import only.

    Args:
        path: for example `mypackage.models:Net`; the part after the colon may have dots.
        folder: the recipe's folder.
        key: the recipe's key, named in messages.

    Returns:
        The object, of whatever type.

    Raises:
        RecipeError: the path is not of that form, there is no such module or name, or `--no-local-code` was given.
        EvaluationError: the module itself fails when imported.
    """
    check_local_code(f"{key}: {path!r}")
    module_name, colon, name = path.partition(":")
    if not is_object_path(path):
        wrong = module_problem(module_name) if colon else ""
        raise RecipeError(
            f"{key}: {path!r} is not an import path; write 'module:name', "
            f"for example 'mypackage.models:Net' for class Net in mypackage/models.py"
            f"{f' ({wrong})' if wrong else ''}."
        )
    places = [Path.cwd()] if folder is None else [folder.resolve(), Path.cwd()]
    found = _module(module_name, path, places, key)
    for part in name.split("."):
        try:
            present = hasattr(found, part)
        except Exception as error:  # the user's own `__getattr__` or property
            raise EvaluationError(
                f"{key}: {path!r}: looking for {part!r} failed: {type(error).__name__}: {error}"
            ) from error
        if not present:
            public = [each for each in dir(found) if not each.startswith("_")]
            close = difflib.get_close_matches(part, public, n=1)
            hint = (
                f"Did you mean {close[0]!r}?"
                if close
                else f"It has {', '.join(public[:_SHOWN]) or 'no names'}."
            )
            raise RecipeError(
                f"{key}: {path!r}: module {module_name!r} has no {name!r}. {hint}"
                f"{hidden_by_standard_library(module_name)}"
            )
        found = getattr(found, part)
    return found


def _module(name: str, path: str, places: list[Path], key: str) -> Any:
    with _on_path(places):
        importlib.invalidate_caches()
        try:
            with time_limit(import_limit()), kept(f"module {name!r} ({key}: {path!r})"):
                return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise EvaluationError(
                    f"{key}: module {name!r} of import path {path!r} needs a module that is not installed: {error}. "
                    f"Install it in this environment."
                ) from error
            raise RecipeError(
                f"{key}: no module {error.name!r} for {path!r}; looked in {', '.join(map(str, places))} "
                f"and the installed packages. Install the package, or run from the folder that holds it."
                f"{hidden_by_standard_library(name)}"
            ) from error
        except (Exception, SystemExit) as error:
            raise EvaluationError(
                f"{key}: module {name!r} of import path {path!r} fails when imported: "
                f"{type(error).__name__}: {error}. Mend it{_without_dots(error)}."
            ) from error


def _without_dots(error: BaseException) -> str:
    if isinstance(error, ImportError) and "relative import" in str(error):
        return "; a module outside of a package imports what lies beside it without the dots"
    return ""


@contextmanager
def _on_path(places: list[Path]) -> Iterator[None]:
    """Put folders at the front of `sys.path` within the block; other changes to it are kept."""
    added = [str(place) for place in places]
    sys.path[:0] = added
    try:
        yield
    finally:
        for place in added:
            if place in sys.path:  # the module may have changed the path itself
                sys.path.remove(place)
