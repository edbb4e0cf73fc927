"""Read IDX files, the format of MNIST, plain or compressed by gzip."""

from __future__ import annotations

import gzip
from math import prod
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from autoloss_tasks._reading import GET_AGAIN, check_size, read_most, reading
from automl_loss import DataError

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
        DataError: the file is damaged, or not of this format.
    """
    with reading(path, "is damaged: its compressed data end or break off"), path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        unpacked = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file
        return _read(unpacked, path, dimensions, packed=packed)


def _read(file: IO[bytes], path: Path, dimensions: int, *, packed: bool) -> npt.NDArray[np.uint8]:
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
    size, declared = path.stat().st_size, prod(shape)
    if packed:
        try:
            check_size(declared, size, packed)
        except ValueError as error:
            raise _damaged(path, f"{error}, of shape {shape}") from None
        data = read_most(
            file, declared
        )  # a bytearray is writable, as torch requires of memory that it shares
        held = f"{len(data):,}" if len(data) <= declared else "more"
    else:
        # The size is known without reading, so that nothing is allocated for a shape that is not there.
        there = size - len(magic) - len(header)
        data = read_most(file, declared) if there == declared else bytearray()
        held = f"{there:,}"
    if len(data) != declared:
        raise _damaged(path, f"its header says {declared:,} bytes of shape {shape}, it has {held}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: {reason}. {GET_AGAIN}")
