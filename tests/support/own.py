"""A user's own task, networks, strategy and primitive set, as files in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.recipes import tiny

TASK = """
import numpy as np
from automl_loss import PluginConfig, Problem, Split, Splits, Task


class Blobs(Task):
    \"\"\"Noisy classes around centres of their own.\"\"\"

    class Config(PluginConfig):
        classes: int = 3
        dtype: str = "float32"
        rows: int = 120

    def problem(self):
        return Problem.classification((6,), self.config.classes)

    def _rows(self, part):
        rng, classes = np.random.default_rng(part), self.config.classes
        y = np.concatenate([np.arange(classes), rng.integers(0, classes, max(0, self.config.rows - classes))])
        centres = 2.0 * np.random.default_rng(99).normal(size=(classes, 6))
        return Split((centres[y] + rng.normal(size=(len(y), 6))).astype(self.config.dtype), y)

    def splits(self, seed):
        return Splits(self._rows(1), self._rows(2))

    def test(self, seed):
        return self._rows(3)
"""

NETWORKS = """
from torch import nn


def norm_and_dropout(in_features, num_classes):
    return nn.Sequential(
        nn.Linear(in_features, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, num_classes)
    )


class Recurrent(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layer = nn.LSTM(1, 5, batch_first=True)
        self.head = nn.Linear(5, num_classes)

    def forward(self, x):
        return self.head(self.layer(x[..., None])[0][:, -1])


class Attention(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.embed = nn.Linear(1, 8)
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        words = self.embed(x[..., None])
        return self.head(self.layer(words, words, words, need_weights=False)[0].mean(1))
"""

PLUGINS = """
import torch
from automl_loss import (
    Candidate, PluginConfig, Primitive, PrimitiveSet, SearchStrategy, SymbolicLoss, parse, standard_primitives,
)


class Listed(SearchStrategy):
    \"\"\"Proposes the losses of a list, all at once.\"\"\"

    plugin_api = 1

    class Config(PluginConfig):
        losses: tuple[str, ...]

    def ask(self):
        losses, self.asked = () if hasattr(self, "asked") else self.config.losses, True
        return [
            Candidate(i, SymbolicLoss(parse(text, self.primitives)), generation=0)
            for i, text in enumerate(losses, start=1)
        ]

    def tell(self, outcomes):
        pass


class Foreign(PrimitiveSet):
    \"\"\"Two words that the compiled kernels do not have.\"\"\"

    plugin_api = 1

    class Config(PluginConfig):
        pass

    @property
    def functions(self):
        return (
            *standard_primitives("add", "sub", "mul", "square", "log", "exp"),
            Primitive("cube", 1, lambda x: x**3, "({0}) ** 3"),
            Primitive("sine", 1, torch.sin, "torch.sin({0})"),
        )

    @property
    def terminals(self):
        return standard_primitives("y", "f", "1", "-1")
"""


def write_own(folder: Path) -> None:
    """Put the modules `own_task`, `own_networks` and `own_plugins` into a folder."""
    for name, text in (("own_task", TASK), ("own_networks", NETWORKS), ("own_plugins", PLUGINS)):
        (folder / f"{name}.py").write_text(text)


def own(folder: Path, losses: list[str], **changes: Any) -> dict[str, Any]:
    """A tiny recipe over the user's own task and a list of losses, whose filters are off."""
    plugin = {"kind": "strategy", "name": "listed", "path": f"{folder}/own_plugins.py:Listed"}
    foreign = {"kind": "primitive_set", "name": "foreign", "path": f"{folder}/own_plugins.py:Foreign"}
    return tiny(
        **{
            "task": {"import": "own_task:Blobs"},
            "plugins": [plugin, foreign],
            "strategy": {"name": "listed", "losses": losses},
            "primitives": {"name": "foreign"},
            "filters": dict.fromkeys(("equivalence", "gradient", "rejection", "gradient_equivalence"), False),
            "training": {"steps": 20, "lr": 0.05, "batch_size": 32},
            "finalists": {"count": 1, "seeds": 1, "steps": 20, "lr_factors": [1.0]},
            "retraining": {"seeds": 2, "steps": 20, "lr": 0.05},
            **changes,
        }
    )
