"""Task SVHN, Street View House Numbers, read from its MATLAB files."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from autoloss_tasks._files import Remote
from autoloss_tasks._reading import GET_AGAIN
from autoloss_tasks.images import Array, ImageConfig, ImageTask
from automl_loss import DataError, parse_in_child

_URL = "http://ufldl.stanford.edu/housenumbers/"


class Svhn(ImageTask):
    """SVHN: 99,289 colour images of house numbers, 32 x 32 pixels around one digit, 26,032 of them the test set.

    The additional 531,131 easier images of `extra_32x32.mat` are not used.
    """

    name: ClassVar[str] = "svhn"
    shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)
    classes: ClassVar[int] = 10
    remotes: ClassVar[dict[str, Remote]] = {
        "train": Remote(f"{_URL}train_32x32.mat", "md5:e26dedcc434d2e4c54c9b2d4a06d8373"),
        "test": Remote(f"{_URL}test_32x32.mat", "md5:eb5a983be6a315427106f1b164d9cef3"),
    }

    class Config(ImageConfig):
        """Options of SVHN; training images are shifted, and not mirrored, for digits are read one way."""

        crop: int = Field(
            4, ge=0, description="training images are shifted by up to so many pixels at random; 0: they stay"
        )

    def load(self, part: str) -> tuple[Array, Array]:
        """Read images `(rows, 3, 32, 32)` and digits; the file's label 10 is the digit 0.

        Files of another hash than the published ones are read in a child process: a damaged one may end it.
        """
        path = self.files.find([self.remotes[part].name], self.remotes[part])
        if self.remotes[part].is_whole(path):
            from autoloss_tasks._mat_file import arrays

            held = arrays(str(path), ["X", "y"])
        else:
            held = parse_in_child(
                "autoloss_tasks._mat_file:arrays",
                path,
                [["X", "y"]],
                fault="is no MATLAB file or a damaged one",
                remedy=GET_AGAIN,
            )
        pixels, labels = held.get("X"), held.get("y")
        if pixels is None or labels is None or pixels.ndim != 4 or labels.size != pixels.shape[-1]:
            raise DataError(
                f"{path} lacks images X (32, 32, 3, rows), or as many labels y. Delete it and get it again."
            )
        given = labels.reshape(-1)
        if not len(given) or not np.isin(given, np.arange(1, 11)).all():
            seen = f"labels from {given.min()} to {given.max()}" if len(given) else "no labels"
            raise DataError(f"{path} has {seen}; expected 1 to 10. {GET_AGAIN}")
        digits = given.astype(np.int64)
        return np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)), digits % 10
