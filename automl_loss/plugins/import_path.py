"""Check the form of the paths by which a recipe names code: `package.module:Object` and `./file.py:Class`."""

from __future__ import annotations

import keyword
import sys
from pathlib import Path

_EXAMPLES = "'./mine.py:Mine' for a class in a file, or 'package.module:Mine' for one in a module"


def is_object_path(path: str) -> bool:
    """Return whether a text has the form `package.module:Object`, both parts dotted names.

    Example:
        >>> is_object_path("mypackage.models:Net"), is_object_path("my-package:Net"), is_object_path("a:b:c")
        (True, False, False)
    """
    module, colon, name = path.partition(":")
    return bool(colon) and _is_dotted(module) and _is_dotted(name)


def module_problem(module: str) -> str:
    """Say why a text names no module; empty where it does.

    Example:
        >>> module_problem("my-package")
        "'my-package' is no module name, since 'my-package' is no Python name"
    """
    if _is_dotted(module):
        return ""
    if not module:
        return "there is nothing before the colon"
    if any(mark in module for mark in "/\\") or module.endswith(".py"):
        return f"{module!r} is a file or folder; the name of a module has dots and no slashes"
    part = next(part for part in module.split(".") if not _is_name(part))
    if not part:
        return f"{module!r} has an empty part between its dots"
    what = "a word of Python" if keyword.iskeyword(part) else "no Python name"
    return f"{module!r} is no module name, since {part!r} is {what}"


def local_problem(path: str) -> str:
    """Say why a text can name no local plugin, with a remedy; empty where it can.

    Args:
        path: of a recipe's `plugins:`, e.g. `./mine.py:Mine`. The file may be missing: loading says so.

    Example:
        >>> local_problem("./mine.py:Mine"), local_problem("package.module:Mine")
        ('', '')
        >>> local_problem("mine.py").partition(";")[0]
        "'mine.py' names no class"
    """
    place, colon, name = path.rpartition(":")
    if not colon or path.endswith(".py"):
        return f"{path!r} names no class; write {_EXAMPLES}."
    if not place.strip():
        return f"{path!r} names no file or module before the colon; write {_EXAMPLES}."
    if "\0" in path:
        return f"{path!r} holds a null character, which no file name has; write {_EXAMPLES}."
    if not _is_name(name):
        return f"{path!r}: {name!r} after the colon is no class name; write {_EXAMPLES}."
    if place.endswith(".py"):
        return ""
    if ":" in place and not _has_drive(place):
        return f"{path!r} has more than one colon; write {_EXAMPLES}."
    if Path(place).is_dir() and any(mark in place for mark in "/\\"):
        return f"{path!r}: {place} is a folder; name the file in it, or write {_EXAMPLES}."
    wrong = module_problem(place)
    if not wrong:
        return ""
    if any(mark in place for mark in "/\\"):
        return f"{path!r}: {place} is no Python file, whose name ends in .py; write {_EXAMPLES}."
    return f"{path!r}: {wrong}; write {_EXAMPLES}."


def hidden_by_standard_library(module: str) -> str:
    """Say that a module of the standard library has the name, which hides a file of the user's; empty otherwise."""
    top = module.partition(".")[0]
    if top not in sys.stdlib_module_names:
        return ""
    return (
        f" {top!r} is a module of Python's standard library, which hides a {top}.py of your own: give the file another "
        f"name."
    )


def _is_dotted(text: str) -> bool:
    return all(_is_name(part) for part in text.split("."))


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _has_drive(place: str) -> bool:
    return place[1:3] in (":\\", ":/")
