"""Write numbers and texts into Python source so that they can be nothing else there.

What a loss holds comes from files and plugins. A number is converted before it is written, and a text stands in a
docstring alone, where no character can end it.
"""

from __future__ import annotations

import ast
import keyword
import math
import numbers
import operator
import re
from collections.abc import Iterable
from typing import Any

_TAKEN = frozenset(("torch", "len", "getattr", "tuple", "staticmethod", "ValueError"))
"""Names that the exported module uses."""


def number_source(value: Any, what: str) -> str:
    """Return source of a finite number, exact.

    Args:
        value: any real number.
        what: the number's name, for the error.

    Raises:
        ValueError: it is not a number, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{what}: must be a number but is {value!r:.80}.")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{what}: only finite numbers can be written as Python, but it is {number}.")
    return repr(number)


def numbers_source(values: Iterable[Any], what: str) -> str:
    """Return source of numbers, separated by commas; Args and Raises as in `number_source`."""
    return ", ".join([number_source(value, f"{what}[{place}]") for place, value in enumerate(values)])


def whole_source(value: Any, what: str) -> str:
    """Return source of a whole number of 1 or more; Args and Raises as in `number_source`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < 1:
        raise ValueError(f"{what}: must be a whole number of 1 or more but is {value!r:.80}.")
    return repr(int(operator.index(value)))


def docstring(text: str) -> str:
    r"""Return text for the inside of a docstring in three double quotes, which reads back as the same text.

    Args:
        text: anything; line feeds stay, other unprintable characters, backslashes and quotes in a row become escapes.

    Example:
        >>> print(docstring('a "word", \\N{DIGIT ONE} and \"""'))
        a "word", \\N{DIGIT ONE} and \"\"\"
    """
    # Of quotes in a row, and at the end, none but a lone one stays as it is.
    text = re.sub(r'"(?="|\Z)', r"\"", text.replace("\\", "\\\\"))
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def is_class_name(name: object) -> bool:
    """Return whether a name can be the class's: an ASCII identifier that hides nothing the module uses."""
    if not isinstance(name, str) or not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
        return False
    return name not in _TAKEN and not (name.startswith("__") and name.endswith("__"))


def fault_of_module(text: str, name: str) -> str | None:
    """Return why a text is not a docstring, `import torch` and one class of the exported form; `None` when it is.

    Args:
        text: of the module.
        name: the class's.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"it cannot be parsed ({type(error).__name__}: {error})"
    if [type(node) for node in tree.body] != [ast.Expr, ast.Import, ast.ClassDef]:
        return "it puts statements outside of the function"
    _, imported, made = tree.body
    assert isinstance(imported, ast.Import)
    assert isinstance(made, ast.ClassDef)
    if ast.unparse(imported) != "import torch" or made.name != name or ast.get_docstring(tree) is None:
        return "it changes the module around the function"
    if [type(node) for node in made.body] != [ast.Expr, ast.Assign, ast.FunctionDef, ast.FunctionDef]:
        return "it puts statements outside of the function"
    *_, forward, values = made.body
    if (getattr(forward, "name", ""), getattr(values, "name", "")) != ("forward", "_values"):
        return "it changes the module around the function"
    return None
