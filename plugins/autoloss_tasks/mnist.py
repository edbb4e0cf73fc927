"""Tasks MNIST and Fashion-MNIST, read from their IDX files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from autoloss_tasks._files import Remote
from autoloss_tasks._idx import read_idx
from autoloss_tasks.images import Array, ImageTask


class _IdxTask(ImageTask):
    """Four IDX files of 28 x 28 grey images and their labels."""

    shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)
    classes: ClassVar[int] = 10
    url: ClassVar[str]
    hashes: ClassVar[Mapping[str, str]]

    def load(self, part: str) -> tuple[Array, Array]:
        """Read images `(rows, 1, 28, 28)` and labels."""
        prefix = {"train": "train", "test": "t10k"}[part]
        images = read_idx(self._find(f"{prefix}-images-idx3-ubyte"), 3)
        return images[:, None], read_idx(self._find(f"{prefix}-labels-idx1-ubyte"), 1)

    def _find(self, stem: str) -> Path:
        dotted = stem.replace("-idx", ".idx")
        names = [name + suffix for name in (stem, dotted) for suffix in ("", ".gz")]
        return self.files.find(names, Remote(f"{self.url}{stem}.gz", f"md5:{self.hashes[stem]}"))


class Mnist(_IdxTask):
    """MNIST: 70,000 handwritten digits of 28 x 28 pixels, 10,000 of them the test set."""

    name: ClassVar[str] = "mnist"
    url: ClassVar[str] = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    hashes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
        }
    )


class FashionMnist(_IdxTask):
    """Fashion-MNIST: 70,000 pieces of clothing of 28 x 28 pixels, 10,000 of them the test set.

    Debian's package dataset-fashion-mnist installs the files where this task looks for them.
    """

    name: ClassVar[str] = "fashion-mnist"
    usual: ClassVar[tuple[Path, ...]] = (Path("/usr/share/datasets/fashion-mnist"),)
    url: ClassVar[str] = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    hashes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        }
    )
