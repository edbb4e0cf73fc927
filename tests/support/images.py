"""A small image task for the convolutional networks' tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from automl_loss import ModelFactory, PluginConfig, Problem, Split, Splits, Task
from automl_loss.engine.engine import Engine
from automl_loss.engine.engine_spec import EngineSpec
from automl_loss.engine.settings import TrainingSettings, TuningSettings


class Stripes(Task):
    """Images of two channels whose bright rows tell one of three classes."""

    class Config(PluginConfig):
        """No options."""

    def __init__(self, side: int) -> None:
        super().__init__(None)
        self.side = side

    def problem(self) -> Problem:
        return Problem.classification((2, self.side, self.side), 3)

    def _rows(self, count: int, seed: int) -> Split:
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 3, count)
        x = rng.normal(size=(count, 2, self.side, self.side))
        bright = np.arange(self.side)[None, :] % 3 == y[:, None]
        x += 2.0 * bright[:, None, :, None]
        return Split(x.astype(np.float32), y)

    def splits(self, seed: int) -> Splits:
        return Splits(self._rows(24, seed), self._rows(12, seed + 1))

    def test(self, seed: int) -> Split:
        return self._rows(12, seed + 2)


def image_engine(
    model: Callable[[], ModelFactory], side: int, width: int = 1, dtype: str = "float64"
) -> Engine:
    """An engine of batches of eight images, plain SGD and four steps."""
    return Engine(
        EngineSpec(
            task=lambda: Stripes(side),
            model=model,
            training=TrainingSettings(
                steps=4, lr=0.02, batch_size=8, momentum=0.0, nesterov=False, weight_decay=0.0, width=width
            ),
            tuning=TuningSettings(steps=2),
            dtype=dtype,
        )
    )
