"""Read IDX files, the format of MNIST, plain or compressed by gzip."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from automl_loss import EvaluationError

_UNSIGNED_BYTES = 0x08


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read the array of an IDX file of unsigned bytes.

    The format: two zero bytes, a byte for the type, a byte for the number of dimensions, each dimension as a
    big-endian 32-bit integer, then the values in C order.

    Args:
        path: the file; gzip is recognised by its first two bytes, not by the name.
        dimensions: number of dimensions that the array must have.

    Returns:
        The array, of `dimensions` dimensions.

    Raises:
        EvaluationError: the file is damaged, or not of this format.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            return _read(cast(IO[bytes], gzip.open(file)) if packed else file, path, dimensions)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, f"its compressed data end or break off: {error}") from error


def _read(file: IO[bytes], path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    magic = file.read(4)
    expected = bytes([0, 0, _UNSIGNED_BYTES, dimensions])
    if magic != expected:
        raise _damaged(
            path,
            f"it begins with {magic.hex(' ') or 'nothing'}, not with {expected.hex(' ')}, as IDX files do",
        )
    header = file.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise _damaged(path, "it ends within its header")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    data = bytearray(file.read())  # writable, as torch requires of memory that it shares
    if len(data) != prod(shape):
        raise _damaged(path, f"its header says {prod(shape):,} bytes of shape {shape}, it has {len(data):,}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _damaged(path: Path, reason: str) -> EvaluationError:
    return EvaluationError(f"{path}: {reason}. Delete it and get it again.")
