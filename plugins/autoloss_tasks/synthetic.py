"""Data made by the task itself, of which the truth is known."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from autoloss_tasks.tabular import Array
from automl_loss import PluginConfig, Problem, Split, Splits, Task, generator


class HeavyTails(Task):
    """Friedman's first function of 5 of 10 features, its targets hit by heavy-tailed noise.

    y = 10 sin(pi x1 x2) + 20 (x3 - 1/2)^2 + 10 x4 + 5 x5 with uniform features (Friedman, 1991), plus Student's t
    with few degrees of freedom, whose outliers are far off: at 2 or fewer its variance is infinite. The noise
    falls on training and validation rows; the test rows carry the function itself. All rows are drawn afresh for
    each seed, so that the units of a comparison share none.

    Targets are on the scale of the function on the training rows, without noise, which has no scale of its own.
    """

    features: ClassVar[int] = 10

    class Config(PluginConfig):
        """Options of the task."""

        train: int = Field(600, ge=2, description="training rows")
        validation: int = Field(200, ge=2, description="validation rows")
        test: int = Field(1000, ge=2, description="test rows")
        degrees: float = Field(
            1.5, gt=0, description="degrees of freedom of the noise: the fewer, the heavier"
        )
        noise: float = Field(
            0.3, ge=0, description="size of the noise, in standard deviations of the function"
        )

    def problem(self) -> Problem:
        """Regression by squared error."""
        return Problem.regression((self.features,))

    def splits(self, seed: int) -> Splits:
        """Training and validation rows, noise on both."""
        return Splits(self._rows(seed, "train", noisy=True), self._rows(seed, "validation", noisy=True))

    def test(self, seed: int) -> Split:
        """Test rows, without noise."""
        return self._rows(seed, "test", noisy=False)

    def _rows(self, seed: int, part: str, *, noisy: bool) -> Split:
        reference = _friedman(self._features(seed, "train"))
        x = self._features(seed, part)
        y = (_friedman(x) - reference.mean()) / reference.std()
        if noisy:
            rng = generator(seed, "heavy-tails", part, "noise")
            y = y + self.config.noise * rng.standard_t(self.config.degrees, len(y))
        # Uniform on 0 to 1 has mean 1/2 and variance 1/12.
        return Split(((x - 0.5) * np.sqrt(12)).astype(np.float32), y[:, None].astype(np.float32))

    def _features(self, seed: int, part: str) -> Array:
        shape = (getattr(self.config, part), self.features)
        return generator(seed, "heavy-tails", part).uniform(size=shape)


def _friedman(
    x: Array,
) -> Array:
    values: Array = (
        10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    )
    return values
