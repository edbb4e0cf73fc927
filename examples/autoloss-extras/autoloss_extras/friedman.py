"""Task `friedman`: regression on known functions, under noise of one's choice."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from automl_loss import PluginConfig, Problem, Split, Splits, Task, generator, stream

Array = npt.NDArray[Any]
_PARTS = ("train", "validation", "test")


class Friedman(Task):
    """Friedman's functions 1 to 3, as scikit-learn draws them, with Gaussian or heavy-tailed noise.

    Function 1 uses 5 of 10 features; 2 and 3 are of an electric circuit, with 4 features on scales from 1 to 1,000
    (Friedman, "Multivariate adaptive regression splines", Annals of Statistics, 1991). Noise falls on
    training and validation targets; test rows hold the function itself.

    Every seed draws all rows anew. Features are standardised by the training rows. Targets are so by the noiseless
    training targets: heavy tails have no deviation to divide by.
    """

    plugin_api = 1
    drawn_afresh = True

    class Config(PluginConfig):
        """Options of the task."""

        function: Literal[1, 2, 3] = Field(1, description="which of Friedman's functions")
        train: int = Field(400, ge=2, description="training rows")
        validation: int = Field(200, ge=2, description="validation rows")
        test: int = Field(1000, ge=2, description="test rows")
        noise: float = Field(0.3, ge=0, description="size of the noise, in deviations of the function")
        degrees: float | None = Field(
            None,
            gt=0,
            description="degrees of freedom of Student's t noise, heavy-tailed below 3; null: Gaussian",
        )

    config: Config

    def problem(self) -> Problem:
        """Regression by squared error."""
        return Problem.regression((10 if self.config.function == 1 else 4,))

    def splits(self, seed: int) -> Splits:
        """Training and validation rows, with noise."""
        parts = self._parts(seed)
        return Splits(
            self._noisy(parts["train"], seed, "train"), self._noisy(parts["validation"], seed, "validation")
        )

    def test(self, seed: int) -> Split:
        """Test rows, without noise."""
        return self._parts(seed)["test"]

    def _parts(self, seed: int) -> dict[str, Split]:
        """Rows by split, noiseless, on the scale of the training rows."""
        from sklearn import datasets
        from sklearn.preprocessing import StandardScaler

        draw = getattr(datasets, f"make_friedman{self.config.function}")
        sizes = [getattr(self.config, part) for part in _PARTS]
        x, y = draw(n_samples=sum(sizes), random_state=stream(seed, "friedman") % 2**32)
        y = y[:, None]
        of_x, of_y = (StandardScaler().fit(values[: self.config.train]) for values in (x, y))
        scaled = (scaler.transform(values).astype(np.float32) for scaler, values in ((of_x, x), (of_y, y)))
        cuts = np.cumsum(sizes)[:-1]
        return dict(zip(_PARTS, map(Split, *(np.split(values, cuts) for values in scaled)), strict=True))

    def _noisy(self, split: Split, seed: int, part: str) -> Split:
        rng, shape = generator(seed, "friedman", part, "noise"), split.y.shape
        degrees = self.config.degrees
        noise = rng.normal(size=shape) if degrees is None else rng.standard_t(degrees, shape)
        return Split(split.x, (split.y + self.config.noise * noise).astype(np.float32))
