"""Finished runs for tests of what comes after a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from automl_loss import Loss


def with_loss(finished: Path, copy: Path, loss: Loss, returned: str) -> Path:
    """A copy of a finished run that returned another loss, at the same learning rate."""
    shutil.copytree(finished, copy, ignore=shutil.ignore_patterns("transfer", "landscape"))
    best = json.loads((copy / "best_loss.json").read_text())
    (copy / "best_loss.json").write_text(json.dumps({**best, "loss": loss.to_json()}))
    result = json.loads((copy / "result.json").read_text())
    result["test"]["returned"] = returned
    (copy / "result.json").write_text(json.dumps(result))
    return copy
