"""A recipe that runs in seconds, with every stage in it."""

from __future__ import annotations

from typing import Any


def tiny(**changes: Any) -> dict[str, Any]:
    """Wine under a linear model, a handful of steps; keyword arguments replace whole sections."""
    return {
        "name": "tiny",
        "task": {"name": "wine", "label_noise": 0.2},
        "model": {"name": "linear"},
        "strategy": {"name": "evomal", "population": 6, "generations": 3},
        "tuning": {"steps": 10},
        "training": {"steps": 20, "lr": 0.05},
        "finalists": {"count": 2, "seeds": 2, "steps": 20, "lr_factors": [0.5, 1.0, 2.0]},
        "retraining": {"seeds": 3, "steps": 20},
        "executor": {"name": "local", "workers": 1},
        **changes,
    }
