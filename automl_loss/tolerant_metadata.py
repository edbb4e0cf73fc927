"""Keep one damaged distribution from breaking every import that lists entry points.

pydantic, torch, numba and matplotlib ask `importlib.metadata.entry_points()` for their own groups when they are
imported. That call parses `entry_points.txt` of every installed distribution, and raises for the first file that is not
of the format: one damaged package, of whatever purpose, then stops every program. With `tolerate` such a distribution
has no entry points. `automl_loss.plugins.discovery` reports it by name and version; a sound one is read as before.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_MODULE = "importlib.metadata"


def tolerate() -> None:
    """Make `Distribution.entry_points` empty where it would raise, now or once `importlib.metadata` is imported.

    The module is not imported for this: it takes a third of the time that `autoloss --help` may take.
    """
    module = sys.modules.get(_MODULE)
    if module is not None:
        _patch(module)
    elif not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


class _Waiting(MetaPathFinder):
    """Waits for the import of `importlib.metadata`, and finds nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's own spec, whose loader patches it after running it."""
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            run = loader.exec_module

            def run_and_patch(module: ModuleType) -> None:
                run(module)
                _patch(module)

            loader.exec_module = run_and_patch
        return spec


def _patch(module: Any) -> None:
    distribution: Any = module.Distribution
    strict = distribution.entry_points.fget
    if hasattr(strict, "strict"):
        return

    def entry_points(self: Any) -> Any:
        """The entry points; none where they cannot be read."""
        try:
            return strict(self)
        except (
            Exception
        ):  # whatever a parser raises; discovery.py reads the file again and says what is wrong
            return module.EntryPoints()

    entry_points.strict = strict  # type: ignore[attr-defined]
    distribution.entry_points = property(entry_points)


def strict_entry_points(distribution: Any) -> Any:
    """Return the entry points of a distribution; raises whatever is wrong with them."""
    read = type(distribution).entry_points.fget
    return getattr(read, "strict", read)(distribution)
