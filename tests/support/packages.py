"""Third-party packages for tests: the source of a sound plugin, and the files of an installation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

STRATEGY = '''
from automl_loss import SearchStrategy


class {name}(SearchStrategy):
    """Proposes nothing."""

    plugin_api = 1

    def ask(self):
        return []

    def tell(self, outcomes):
        return
'''


def install(folder: Path, package: str, strategies: str, modules: Mapping[str, str]) -> None:
    """Write what installing a package leaves behind: its metadata with strategies, and modules by name."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[automl_loss.strategies]\n{strategies}\n")
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
