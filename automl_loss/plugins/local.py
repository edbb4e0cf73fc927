"""Python files as modules of this package: a recipe may name a class in a file that nobody installed.

`/home/ada/mine.py` is the module `automl_loss.plugins.local._2fhome_2fada_2fmine_2epy`. Its name says where
the file lies, so its classes pickle by reference like any others: a worker process that unpickles one imports
this module first, and with it the finder that reads the file there.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

__path__: list[str] = []
"""Makes this module a package, whose modules the finder alone provides."""


def module_name(file: str | os.PathLike[str]) -> str:
    """The module that a file is, whether or not it exists.

    Args:
        file: a Python file; relative paths start at the working directory.

    Example:
        >>> module_name("/home/ada/mine.py")
        'automl_loss.plugins.local._2fhome_2fada_2fmine_2epy'
    """
    path = os.fsencode(Path(file).resolve())
    return f"{__name__}." + re.sub(rb"[^A-Za-z0-9]", lambda byte: b"_%02x" % byte[0][0], path).decode("ascii")


def file_of(name: str) -> Path:
    """The file that a module is; the inverse of `module_name`."""
    quoted = name.removeprefix(f"{__name__}.").encode("ascii")
    return Path(os.fsdecode(re.sub(rb"_([0-9a-f]{2})", lambda code: bytes([int(code[1], 16)]), quoted)))


class _Loader(SourceFileLoader):
    """Runs a file as `python file.py` would: what lies beside it can be imported."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the file with its folder at the front of `sys.path`."""
        folder = str(Path(self.path).parent)
        sys.path.insert(0, folder)
        try:
            super().exec_module(module)
        finally:
            sys.path.remove(folder)


class _Finder(MetaPathFinder):
    """Finds the modules of this package, and no others."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The file's spec."""
        if not fullname.startswith(f"{__name__}."):
            return None
        file = str(file_of(fullname))
        return spec_from_file_location(fullname, file, loader=_Loader(fullname, file))


sys.meta_path.append(_Finder())
