from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import automl_loss


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny finished run with its report; not to be changed."""
    directory = tmp_path_factory.mktemp("report") / "tiny"
    automl_loss.run(
        {
            "task": {"name": "wine"},
            "model": {"name": "mlp", "hidden": [8]},
            "strategy": {"name": "evomal", "population": 5, "generations": 2},
            "tuning": {"steps": 5},
            "training": {"steps": 20, "batch_size": 32},
            "finalists": {"count": 2, "seeds": 1, "steps": 20},
            "retraining": {"seeds": 2, "steps": 20},
            "executor": {"name": "local", "workers": 1},
        },
        directory=directory,
        report=True,
    )
    return directory


@pytest.fixture
def run_directory(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run, which a test may spoil."""
    return Path(shutil.copytree(finished, tmp_path / finished.name))
