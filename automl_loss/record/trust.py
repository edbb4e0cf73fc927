"""Whose code a run directory names: a recipe that came with one is data, until its user says that it may run.

A run that is started here leaves a mark in its directory, which only this user on this machine can make. Commands that
would run what the recipe of a directory names ask for that mark, or for `--trust`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import platform
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from automl_loss.errors import RecipeError
from automl_loss.recipe import recipe_data
from automl_loss.record.atomic import replace_text
from automl_loss.record.run_directory import RUNS, RunPaths

_MARK = ".started"
_KEY_BYTES = 32


def named_code(data: Mapping[str, Any]) -> list[str]:
    """List the code outside of installed plugins that a recipe names; nothing is imported.

    Args:
        data: a recipe or a comparison as plain data.

    Returns:
        Import paths, files of local plugins, and metrics by import path, each once, in the order of the recipe.
    """
    found: dict[str, None] = {}
    plugins = data.get("plugins")
    for entry in plugins if isinstance(plugins, list | tuple) else ():
        if isinstance(entry, Mapping) and entry.get("path") is not None:
            found[str(entry["path"])] = None
    _collect(data, found)
    return list(found)


def mark_started(directory: Path, data: Mapping[str, Any]) -> None:
    """Leave the mark of this user and machine in a run directory whose recipe names code.

    Where no key can be kept in the user's home there is none, and `--trust` is asked for later.

    Raises:
        AutolossError: the directory cannot be written.
    """
    key = _own_key(make=True) if named_code(data) else None
    if key is not None:
        replace_text(directory / _MARK, _signature(key, data) + "\n")


def require_trust(directory: Path, data: Mapping[str, Any], *, trust: bool, remedy: str = "--trust") -> None:
    """Check that the code that a run directory's recipe names may run.

    Args:
        directory: of the run.
        data: its recipe as plain data.
        trust: whether the user said so.
        remedy: how to say so, for the message.

    Raises:
        RecipeError: the recipe names code, was not started by this user on this machine, and is not trusted.
    """
    code = named_code(data)
    if not code or trust or _is_own(directory, data):
        return
    raise RecipeError(
        f"{directory}: its recipe runs code that lies outside of installed plugins: {', '.join(code)}. The run was not "
        f"started by you on this machine, so nothing of it was run. If you know this code, say {remedy}."
    )


def require_trust_to_resume(
    recipe: str | Path | Mapping[str, Any], directory: str | Path | None, *, trust: bool
) -> None:
    """Check that the code of the run that is to be resumed may run, before anything of it is imported.

    Args:
        recipe: what it is resumed with, as `load_recipe` takes it; says which directory it is, if nothing else does.
        directory: of the run; `None`: `runs/<name>`.
        trust: whether the user said so.

    Raises:
        RecipeError: as `require_trust` does, or the recorded recipe cannot be read.
    """
    name = None if directory is not None else recipe_data(recipe)["name"]
    run = RunPaths(Path(directory) if directory is not None else RUNS / str(name))
    if run.recipe.is_file():
        require_trust(run.path, recipe_data(run.recipe), trust=trust)


def _collect(data: Any, found: dict[str, None]) -> None:
    """Add what `import` and `metric` keys name, at any depth."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if isinstance(value, str) and (key == "import" or (key == "metric" and ":" in value)):
                found[value] = None
            _collect(value, found)
    elif isinstance(data, list | tuple):
        for value in data:
            _collect(value, found)


def _is_own(directory: Path, data: Mapping[str, Any]) -> bool:
    key = _own_key(make=False)
    if key is None:
        return False
    try:
        mark = (directory / _MARK).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return False
    return hmac.compare_digest(mark, _signature(key, data))


def _signature(key: bytes, data: Mapping[str, Any]) -> str:
    """A text that only who has the key can make, for this machine and this code in this folder."""
    content = json.dumps([platform.node(), str(data.get("folder")), named_code(data)])
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()


def _own_key(*, make: bool) -> bytes | None:
    """This user's secret on this machine; `None` where there is none, or it can be read by others."""
    home = os.environ.get("XDG_STATE_HOME")
    try:
        folder = (Path(home) if home else Path.home() / ".local" / "state") / "autoloss"
        file = folder / "key"
        if make and not file.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(secrets.token_bytes(_KEY_BYTES))
        key = file.read_bytes()
        private = os.name != "posix" or (file.stat().st_mode & 0o077) == 0
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    return key if private and len(key) == _KEY_BYTES else None
