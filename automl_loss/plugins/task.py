"""Plugin kind `task`, which gives the data and the problem to learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from automl_loss.losses.problem import Problem
from automl_loss.plugins.config import PluginConfig

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Inputs(Protocol):
    """Inputs that are stored in another form than networks take, such as images as uint8.

    Any class with these members is accepted. The engine keeps `stored` as a tensor on its device; it prepares each
    batch when training asks for it, and all rows at once where it evaluates.

    Laws: `prepare` treats each row by itself; `augment` gives the same rows for the same generator state.
    """

    @property
    def stored(self) -> npt.NDArray[Any]:
        """`(rows, *input_shape)` array of any dtype."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `stored`."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Inputs:
        """Return some of the rows, as inputs that are prepared in the same way."""
        ...

    def prepare(self, stored: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Convert a stored batch to the network's input.

        Args:
            stored: `(batch, *input_shape)`; any number of dimensions may stand before the batch.
            dtype: a float type.

        Returns:
            A tensor of the same shape and the given type.
        """
        ...

    def augment(self, stored: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Augment a training batch at random, in stored form; rows of other splits are returned unchanged.

        Args:
            stored: `(batch, *input_shape)`.
            rng: generator with a stream of the batch's own.
        """
        ...


@dataclass(frozen=True)
class Split:
    """Rows of a data set.

    Args:
        x: `(rows, *input_shape)` float32 array, or `Inputs` that are kept in another form.
        y: `(rows,)` int64 class indices, or `(rows, outputs)` float32 targets.
    """

    x: npt.NDArray[Any] | Inputs
    y: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Splits:
    """The rows of a task that a search may use: disjoint training and validation rows, never test rows."""

    train: Split
    validation: Split


class Task(ABC):
    """A learning task.

    Options that every task has (`metric`, `label_noise`, `outliers`, `imbalance`, `clean_validation`,
    `development`) are the core's: it applies them to what `splits` returns. Test rows stay clean, and are
    reached by retraining alone.

    Laws: the three splits are disjoint and depend on `seed` alone; scalers are fitted on training rows;
    nothing is fetched at import; global random states and settings of the process stay as they are.

    A run checks all three splits before the search: types, shapes, finiteness, and by digests of rows that they share
    no more of them than chance gives (test rows are made for this check, and nothing but counts is taken from them).
    """

    plugin_api: ClassVar[int] = 1
    folder: Path | None = None
    """The recipe's folder, from which relative paths start; `None` is the working directory."""
    drawn_afresh: ClassVar[bool] = False
    """Whether every seed draws all its rows anew, so that units of a comparison share none."""

    class Config(PluginConfig):
        """Options of the task in a recipe, besides the common ones."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def problem(self) -> Problem:
        """Kind, shapes, task loss and metric."""

    @abstractmethod
    def splits(self, seed: int) -> Splits:
        """Return training and validation rows under the split seed."""

    @abstractmethod
    def test(self, seed: int) -> Split:
        """Return test rows under the same split seed."""

    @property
    def exchangeable(self) -> bool:
        """Whether training and validation rows were split at random, and may be drawn anew.

        False where the user assigned them, for example rows of a later year to validation.
        """
        return True

    def notices(self) -> list[str]:
        """Sentences for the user on what the task assumed and the options that change it."""
        return []
