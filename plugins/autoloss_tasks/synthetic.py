"""Tasks on generated data, for which the best loss is known."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from pydantic import Field

from autoloss_tasks.tabular import Array
from automl_loss import PluginConfig, Problem, Split, Splits, Task, generator


class _Friedman(Task):
    """Friedman's first function of 5 of 10 features, with noise on its targets.

    y = 10 sin(pi x1 x2) + 20 (x3 - 1/2)^2 + 10 x4 + 5 x5 with uniform features (Friedman, 1991). All rows are drawn
    afresh for each seed, so that the units of a comparison share none. Targets are on the scale of the function on the
    training rows, without noise.
    """

    drawn_afresh: ClassVar[bool] = True
    features: ClassVar[int] = 10
    name: ClassVar[str]
    noisy_test: ClassVar[bool] = False
    """Whether test rows carry noise, too, rather than the function itself."""

    class Config(PluginConfig):
        """Options of the task."""

        train: int = Field(600, ge=2, description="training rows")
        validation: int = Field(200, ge=2, description="validation rows")
        test: int = Field(1000, ge=2, description="test rows")
        noise: float = Field(
            0.3, ge=0, description="size of the noise, in standard deviations of the function"
        )

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draw `(count,)` noise, before it is scaled."""

    def problem(self) -> Problem:
        """Return a regression judged by squared error."""
        return Problem.regression((self.features,))

    def splits(self, seed: int) -> Splits:
        """Return training and validation rows, noise on both."""
        return Splits(self._rows(seed, "train", noisy=True), self._rows(seed, "validation", noisy=True))

    def test(self, seed: int) -> Split:
        """Return test rows."""
        return self._rows(seed, "test", noisy=self.noisy_test)

    def _rows(self, seed: int, part: str, *, noisy: bool) -> Split:
        reference = _friedman(self._features(seed, "train"))
        x = self._features(seed, part)
        y = (_friedman(x) - reference.mean()) / reference.std()
        if noisy:
            y = y + self.config.noise * self.draw(generator(seed, self.name, part, "noise"), len(y))
        # Uniform on 0 to 1 has mean 1/2 and variance 1/12.
        return Split(((x - 0.5) * np.sqrt(12)).astype(np.float32), y[:, None].astype(np.float32))

    def _features(self, seed: int, part: str) -> Array:
        shape = (getattr(self.config, part), self.features)
        return generator(seed, self.name, part).uniform(size=shape)


class HeavyTails(_Friedman):
    """Friedman's function with Student's t noise on its targets: at 2 or fewer degrees its variance is infinite."""

    name: ClassVar[str] = "heavy-tails"

    class Config(_Friedman.Config):
        """Options of the task."""

        degrees: float = Field(
            1.5, gt=0, description="degrees of freedom of the noise: the fewer, the heavier"
        )

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draw from Student's t distribution."""
        return rng.standard_t(self.config.degrees, count)


class GaussianNoise(_Friedman):
    """Friedman's function with Gaussian noise: squared error is the maximum likelihood, and the loss to recover."""

    name: ClassVar[str] = "gaussian-noise"

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draw from the standard normal distribution."""
        return rng.normal(size=count)


class LaplaceNoise(_Friedman):
    """Friedman's function with Laplace noise: absolute error is the maximum likelihood, and the loss to recover."""

    name: ClassVar[str] = "laplace-noise"

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draw from the Laplace distribution of variance 1."""
        return rng.laplace(scale=np.sqrt(0.5), size=count)


class QuantileNoise(_Friedman):
    """Friedman's function with skewed noise, judged by the pinball loss at 0.9, which is the loss to recover."""

    name: ClassVar[str] = "quantile-noise"
    noisy_test: ClassVar[bool] = True

    def problem(self) -> Problem:
        """Return a regression judged by the pinball loss at 0.9; squared error estimates the mean instead."""
        return Problem.regression((self.features,), metric="pinball(0.9)")

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draw from the exponential distribution, shifted to mean 0, of variance 1."""
        return rng.exponential(size=count) - 1.0


class RareClasses(Task):
    """Overlapping Gaussian clouds, rare classes in training, balanced error: logit adjustment is the loss to recover.

    The classes' centres lie on a circle, in two of ten features. Class c has a share of `imbalance ** (c / (n - 1))` of
    the first one's training and validation rows; test rows are balanced. All rows are drawn afresh for each seed.
    """

    drawn_afresh: ClassVar[bool] = True
    features: ClassVar[int] = 10

    class Config(PluginConfig):
        """Options of the task."""

        classes: int = Field(4, ge=3, description="number of classes")
        train: int = Field(800, ge=20, description="training rows, about")
        validation: int = Field(400, ge=20, description="validation rows, about")
        test: int = Field(2000, ge=20, description="test rows, about")
        rarest: float = Field(
            0.05, gt=0, le=1, description="rows of the rarest class over those of the most frequent"
        )
        distance: float = Field(1.5, gt=0, description="of the centres from the middle, in deviations")

    def problem(self) -> Problem:
        """Return a classification judged by balanced error."""
        return Problem.classification((self.features,), self.config.classes, "balanced_error")

    def splits(self, seed: int) -> Splits:
        """Return training and validation rows, both imbalanced."""
        return Splits(
            self._rows(seed, "train", self.config.rarest), self._rows(seed, "validation", self.config.rarest)
        )

    def test(self, seed: int) -> Split:
        """Return balanced test rows."""
        return self._rows(seed, "test", 1.0)

    def _rows(self, seed: int, part: str, rarest: float) -> Split:
        classes = self.config.classes
        shares = rarest ** (np.arange(classes) / (classes - 1))
        counts = np.maximum(2, np.round(getattr(self.config, part) * shares / shares.sum())).astype(int)
        y = np.repeat(np.arange(classes), counts)
        angle = 2 * np.pi * y / classes
        x = generator(seed, "rare-classes", part).normal(size=(len(y), self.features))
        x[:, 0] += self.config.distance * np.cos(angle)
        x[:, 1] += self.config.distance * np.sin(angle)
        return Split(x.astype(np.float32), y.astype(np.int64))


def _friedman(
    x: Array,
) -> Array:
    values: Array = (
        10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    )
    return values
