"""Import Python files as modules of this package, so that a recipe can name a class in a file that is not installed.

`/home/ada/mine.py` is the module `automl_loss.plugins.local._2fhome_2fada_2fmine_2epy`. Its name encodes the file's
path, so its classes pickle by reference like any others: a worker process that unpickles one imports this module
first, and with it the finder that reads the file.
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
    """Return the module name of a file, whether or not the file exists.

    Args:
        file: a Python file; relative paths start at the working directory.

    Example:
        >>> module_name("/home/ada/mine.py")
        'automl_loss.plugins.local._2fhome_2fada_2fmine_2epy'
    """
    path = os.fsencode(Path(file).resolve())
    return f"{__name__}." + re.sub(rb"[^A-Za-z0-9]", lambda byte: b"_%02x" % byte[0][0], path).decode("ascii")


def file_of(name: str) -> Path:
    """Return the file of a module; the inverse of `module_name`."""
    quoted = name.removeprefix(f"{__name__}.").encode("ascii")
    return Path(os.fsdecode(re.sub(rb"_([0-9a-f]{2})", lambda code: bytes([int(code[1], 16)]), quoted)))


_NAME = re.compile(rf"{re.escape(__name__)}\.([A-Z])?(_[0-9a-f]{{2}}|[A-Za-z0-9])+")
"""Names of files' modules. A path is absolute, so the name has its slashes; `local.helper` is no file."""


class _Loader(SourceFileLoader):
    """Runs a file as `python file.py` would: modules in its folder can be imported."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the file with its folder at the front of `sys.path`."""
        folder = str(Path(self.path).parent)
        # As in a script, there is no package for a relative import, which else would look among automl-loss's own.
        # Python would warn of a spec that says otherwise.
        spec, module.__package__, module.__spec__ = module.__spec__, "", None
        sys.path.insert(0, folder)
        try:
            super().exec_module(module)
        finally:
            module.__spec__ = spec
            if folder in sys.path:  # the file may have changed the path itself
                sys.path.remove(folder)


class _Finder(MetaPathFinder):
    """Finds the modules of this package, and no others."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of the module's file, or `None` for a module outside this package."""
        if not _NAME.fullmatch(fullname):
            return None
        file = str(file_of(fullname))
        return spec_from_file_location(fullname, file, loader=_Loader(fullname, file))


sys.meta_path.append(_Finder())
