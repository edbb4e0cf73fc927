"""Tasks CIFAR-10 and CIFAR-100, read from their Python pickles."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from autoloss_tasks._files import Remote
from autoloss_tasks._pickled_batch import PickledArray, read_batch
from autoloss_tasks._reading import GET_AGAIN, check_size, reading
from autoloss_tasks.images import Array, ImageConfig, ImageTask
from automl_loss import DataError

_PIXELS = 3 * 32 * 32


class _Cifar(ImageTask):
    """Batches of 3 x 32 x 32 images as pickles, in the published archive or unpacked."""

    shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)
    batches: ClassVar[dict[str, tuple[str, ...]]]
    unpacked: ClassVar[str]
    label_key: ClassVar[bytes]
    remote: ClassVar[Remote]

    class Config(ImageConfig):
        """Options of CIFAR; training images are augmented as is usual."""

        crop: int = Field(
            4, ge=0, description="training images are shifted by up to so many pixels at random; 0: they stay"
        )
        flip: bool = Field(
            True, description="every second training image, at random, is mirrored left to right"
        )

    def load(self, part: str) -> tuple[Array, Array]:
        """Read images `(rows, 3, 32, 32)` and labels, batch by batch."""
        names = self.batches[part]
        path = self.files.find([self.unpacked, names[0], self.remote.name], self.remote)
        if path.name == self.remote.name:
            found = _from_archive(path, [f"{self.unpacked}/{name}" for name in names])
        else:
            folder = path if path.is_dir() else path.parent
            found = [(str(folder / name), self._bytes(folder, name)) for name in names]
        parts = [self._batch(data, origin) for origin, data in found]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _bytes(self, folder: Path, name: str) -> bytes:
        if not (folder / name).is_file():
            raise DataError(f"{folder} has no file {name!r}. Unpack {self.remote.name} again.")
        with reading(folder / name):
            return (folder / name).read_bytes()

    def _batch(self, data: bytes, origin: str) -> tuple[Array, Array]:
        batch: dict[bytes, Any] = read_batch(data, origin)
        held, labels = batch.get(b"data"), batch.get(self.label_key)
        pixels = held.of_bytes() if isinstance(held, PickledArray) else None
        sound = (
            pixels is not None
            and isinstance(labels, list)
            and pixels.shape == (len(labels), _PIXELS)
            and all(type(label) is int and 0 <= label < self.classes for label in labels)
        )
        if pixels is None or not sound:
            raise DataError(
                f"{origin} lacks uint8 pixels (data) of shape (rows, {_PIXELS}), or as many labels "
                f"({self.label_key.decode()}) from 0 to {self.classes - 1}. {GET_AGAIN}"
            )
        return pixels.reshape(-1, *self.shape), np.array(labels, dtype=np.int64)


def _from_archive(path: Path, names: list[str]) -> list[tuple[str, bytes]]:
    """Read files of a .tar.gz archive in the order of `names`, in one pass; nothing is unpacked to disk."""
    found: dict[str, bytes] = {}
    with reading(path), tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.name not in names or not member.isreg() or member.name in found:
                continue
            check_size(member.size, path.stat().st_size, packed=True)
            file = archive.extractfile(member)
            if file is not None:
                found[member.name] = file.read()
    lacking = [name for name in names if name not in found]
    if lacking:
        raise DataError(f"{path} has no file {lacking[0]!r}. {GET_AGAIN}")
    return [(f"{path}:{name}", found[name]) for name in names]


class Cifar10(_Cifar):
    """CIFAR-10: 60,000 colour images of 32 x 32 pixels in 10 classes, 10,000 of them the test set."""

    name: ClassVar[str] = "cifar10"
    classes: ClassVar[int] = 10
    unpacked: ClassVar[str] = "cifar-10-batches-py"
    label_key: ClassVar[bytes] = b"labels"
    batches: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{i}" for i in range(1, 6)),
        "test": ("test_batch",),
    }
    remote: ClassVar[Remote] = Remote(
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    )


class Cifar100(_Cifar):
    """CIFAR-100: 60,000 colour images of 32 x 32 pixels in 100 classes, 10,000 of them the test set."""

    name: ClassVar[str] = "cifar100"
    classes: ClassVar[int] = 100
    unpacked: ClassVar[str] = "cifar-100-python"
    label_key: ClassVar[bytes] = b"fine_labels"
    batches: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("train",), "test": ("test",)}
    remote: ClassVar[Remote] = Remote(
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "md5:eb9058c3a382ffc7106e4002c42a8d85"
    )
