"""Plugin kind `task`: data and aim."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from automl_loss.losses.problem import Problem
from automl_loss.plugins.config import PluginConfig


@dataclass(frozen=True)
class Split:
    """Rows of a data set.

    Args:
        x: `(rows, *input_shape)` float32 array (images may be uint8; see `Task.prepare`).
        y: `(rows,)` int64 class indices, or `(rows, outputs)` float32 targets.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Splits:
    """What a search may see of a task: disjoint training and validation rows. Never the test rows."""

    train: Split
    validation: Split


class Task(ABC):
    """A learning task.

    Options that every task has (`metric`, `label_noise`, `outliers`, `imbalance`, `clean_validation`) are the
    core's: it applies them to what `splits` returns. Test rows stay clean, and are reached by retraining
    alone.

    Laws: the three splits are disjoint and depend on `seed` alone; scalers are fitted on training rows;
    nothing is fetched at import.
    """

    plugin_api: ClassVar[int] = 1

    class Config(PluginConfig):
        """Options of the task in a recipe, besides the common ones."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def problem(self) -> Problem:
        """Kind, shapes, usual loss and metric."""

    @abstractmethod
    def splits(self, seed: int) -> Splits:
        """Training and validation rows under the split seed."""

    @abstractmethod
    def test(self, seed: int) -> Split:
        """Test rows under the same split seed."""
