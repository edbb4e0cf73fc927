"""Define images kept in memory as uint8, and the base class of tasks with an official training and test set."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autoloss_tasks._files import DataFolder, FilesConfig
from autoloss_tasks._splitting import hold_out
from automl_loss import DataError, Problem, RecipeError, Split, Splits, Task

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[Any]

_VALIDATION = 0.1
_BLOCK = 1024


@dataclass(frozen=True)
class Images:
    """Images stored as uint8, a quarter of their size as floats; each batch is normalised when it is taken.

    Args:
        stored: `(rows, channels, height, width)` uint8.
        mean: mean of each channel, on the pixels' scale of 0 to 255.
        std: standard deviation of each channel, on the same scale.
        crop: maximum number of pixels by which `augment` shifts an image; the border is filled with black.
        flip: whether `augment` mirrors every second image, left to right.
    """

    stored: npt.NDArray[np.uint8]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: int = 0
    flip: bool = False

    @classmethod
    def of(cls, stored: npt.NDArray[np.uint8], crop: int = 0, flip: bool = False) -> Images:
        """Normalise images by the mean and standard deviation of each channel; a constant channel is only centred."""
        total = np.zeros((2, stored.shape[1]))
        for start in range(0, len(stored), _BLOCK):
            block = stored[start : start + _BLOCK].astype(np.float64)
            total += np.stack([block.sum((0, 2, 3)), np.square(block).sum((0, 2, 3))])
        mean, square = total / (stored.size / stored.shape[1])
        std = np.sqrt(np.maximum(square - mean**2, 0))
        return cls(stored, tuple(mean.tolist()), tuple(np.where(std > 0, std, 1).tolist()), crop, flip)

    def like_training(self, stored: npt.NDArray[np.uint8]) -> Images:
        """Return other images on the scale of these, never augmented."""
        return replace(self, stored=stored, crop=0, flip=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(rows, channels, height, width)`."""
        return self.stored.shape

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: Any) -> Images:
        return replace(self, stored=self.stored[rows])

    def prepare(self, stored: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Return `(..., channels, height, width)` pixels minus mean, over standard deviation."""
        import torch

        mean, std = (
            torch.tensor(value, dtype=dtype, device=stored.device)[:, None, None]
            for value in (self.mean, self.std)
        )
        return stored.to(dtype).sub_(mean).div_(std)

    def augment(self, stored: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return `(batch, channels, height, width)` pixels, each image shifted and mirrored at random."""
        import torch
        from torch.nn.functional import pad

        if self.crop:
            height, width = stored.shape[-2:]
            framed = pad(stored, (self.crop,) * 4)
            windows = framed.unfold(2, height, 1).unfold(3, width, 1)
            down, right = rng.integers(0, 2 * self.crop + 1, (2, len(stored)))
            each = torch.arange(len(stored), device=stored.device)
            places = (torch.as_tensor(shift, device=stored.device) for shift in (down, right))
            first, second = places
            stored = windows[each, :, first, second]
        if self.flip:
            mirrored = torch.as_tensor(rng.random(len(stored)) < 0.5, device=stored.device)
            stored = torch.where(mirrored[:, None, None, None], stored.flip(-1), stored)
        return stored


class ImageConfig(FilesConfig):
    """Options of an image task."""

    rows: int | None = Field(
        None,
        gt=0,
        description="only the first so many training images, validation's share among them; null: all",
    )
    crop: int = Field(
        0, ge=0, description="training images are shifted by up to so many pixels at random; 0: they stay"
    )
    flip: bool = Field(False, description="every second training image, at random, is mirrored left to right")


class ImageTask(Task):
    """Classification of images, with an official training and test set.

    A tenth of the training images, stratified by class and drawn by the seed, is held out as validation.
    Channels are normalised by the remaining training images. Only those are augmented.
    """

    shape: ClassVar[tuple[int, int, int]]
    classes: ClassVar[int]
    name: ClassVar[str]
    usual: ClassVar[tuple[Path, ...]] = ()

    class Config(ImageConfig):
        """Options of the task."""

    @abstractmethod
    def load(self, part: str) -> tuple[Array, Array]:
        """Load the whole official training or test set.

        Args:
            part: `train` or `test`.

        Returns:
            `(rows, channels, height, width)` uint8 and `(rows,)` class indices.

        Raises:
            EvaluationError: a file is damaged.
        """

    @property
    def files(self) -> DataFolder:
        """Return the finder of the data set's files."""
        return DataFolder(self.name, self.config, self.folder, self.usual)

    def problem(self) -> Problem:
        """Return a classification judged by error; no file is read."""
        return Problem.classification(self.shape, self.classes)

    def splits(self, seed: int) -> Splits:
        """Return nine tenths of the training images, and the tenth that is held out."""
        (pixels, labels), (train, validation) = self._train, self._rows(seed)
        images = Images.of(pixels[train], self.config.crop, self.config.flip)
        return Splits(
            Split(images, labels[train]), Split(images.like_training(pixels[validation]), labels[validation])
        )

    def test(self, seed: int) -> Split:
        """Return the official test set, on the scale of the training images."""
        train, _ = self._rows(seed)
        pixels, labels = self._checked("test")
        return Split(Images.of(self._train[0][train]).like_training(pixels), labels)

    def _rows(self, seed: int) -> tuple[Array, Array]:
        labels = self._train[1]
        return hold_out(np.arange(len(labels)), _VALIDATION, seed, labels)

    @cached_property
    def _train(self) -> tuple[Array, Array]:
        pixels, labels = self._checked("train")
        rows = self.config.rows
        if rows is not None and rows > len(labels):
            raise RecipeError(
                f"task.rows: {self.name} has {len(labels):,} training images, {rows:,} were asked for; ask for "
                f"fewer, or leave `rows` out for all."
            )
        return pixels[:rows], labels[:rows]

    def _checked(self, part: str) -> tuple[Array, Array]:
        pixels, labels = self.load(part)
        if pixels.dtype != np.uint8 or pixels.shape != (len(labels), *self.shape):
            raise DataError(
                f"the {part} set of {self.name} has {pixels.dtype} images of shape {pixels.shape} and "
                f"{len(labels)} labels; expected uint8 of shape (rows, {', '.join(map(str, self.shape))}) and as "
                f"many labels. Get the files again."
            )
        if not len(labels) or labels.min() < 0 or labels.max() >= self.classes:
            seen = f"labels from {labels.min()} to {labels.max()}" if len(labels) else "no rows"
            raise DataError(
                f"the {part} set of {self.name} has {seen}; expected labels from 0 to {self.classes - 1}. Get the "
                f"files again."
            )
        return pixels, labels.astype(np.int64)
