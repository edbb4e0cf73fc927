"""Read NPZ files, zip archives of NumPy arrays: no pickles, and no more memory than the file can fill."""

from __future__ import annotations

import zipfile
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autoloss_tasks._reading import check_size, read_most

_MOST_ARRAYS = 10_000
_DIMENSIONS = 32


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an NPZ file by name.

    Raises:
        ValueError: the file is damaged, holds objects or records, or says that it holds more than it does. Damaged
            archives raise other exceptions, too.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    size = path.stat().st_size
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > _MOST_ARRAYS:
            raise ValueError(f"it holds {len(members):,} arrays, at most {_MOST_ARRAYS:,} are read")
        # Members that overlap would be unpacked again and again.
        stored = sum(member.compress_size for member in members)
        if stored > size:
            raise ValueError(f"its arrays take {stored:,} bytes of a file of {size:,}")
        check_size(sum(member.file_size for member in members), size, packed=True)
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in arrays:
                raise ValueError(f"it holds two arrays {name!r}")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"array {name!r} is packed in another way than NumPy packs arrays")
            packed = member.compress_type == zipfile.ZIP_DEFLATED
            check_size(member.file_size, member.compress_size, packed)
            with archive.open(member) as content:
                data = read_most(content, member.file_size)
            arrays[name] = array_of(data, name)
    return arrays


def array_of(data: bytearray, name: str) -> npt.NDArray[Any]:
    """Return the array of an NPY file's bytes.

    Args:
        data: the whole file; the array shares its memory, and can be written to.
        name: of the array, for messages.

    Raises:
        ValueError: the bytes are damaged, or hold objects or records.
    """
    stream = BytesIO(data[: 2**16])
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
        (3, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"array {name!r} is of version {version} of NumPy's format; 1.0 to 3.0 are read")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        raise ValueError(f"array {name!r} holds Python objects, which are never read (allow_pickle=False)")
    if dtype.names is not None or dtype.subdtype is not None or not dtype.itemsize:
        raise ValueError(f"array {name!r} is of type {dtype}; numbers and text are read")
    if len(shape) > _DIMENSIONS or any(length < 0 for length in shape):
        raise ValueError(f"array {name!r} has an impossible shape {shape}")
    start, count = stream.tell(), prod(shape)
    if count * dtype.itemsize != len(data) - start:
        raise ValueError(
            f"array {name!r} of shape {shape} and type {dtype} has {count * dtype.itemsize:,} bytes, and "
            f"{len(data) - start:,} are there"
        )
    if not count:
        return np.empty(shape, dtype)
    flat = np.frombuffer(data, dtype, count=count, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")
