"""Read the Python pickles of CIFAR without running code that a pickle may contain.

Arrays are built by stand-ins: NumPy's own reconstruction trusts what a pickle says of types, sizes and memory. The
unpickler is Python's own in Python, since the one in C allocates memory by the numbers that a pickle holds.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

from autoloss_tasks._reading import GET_AGAIN
from automl_loss import DataError


class PickledArray:
    """What a pickle says of an array: stands in for NumPy's `_reconstruct`, and keeps the state it gets."""

    def __init__(self, *empty: Any) -> None:
        self._state: Any = None

    def __setstate__(self, state: Any) -> None:
        """Keep `(version, shape, dtype, Fortran order, bytes)`."""
        self._state = state

    def of_bytes(self) -> npt.NDArray[np.uint8] | None:
        """Return the array if it is of unsigned bytes in C order, and as large as its shape says; else `None`."""
        if not isinstance(self._state, tuple) or len(self._state) != 5:
            return None
        _, shape, kind, fortran, data = self._state
        sound = (
            isinstance(shape, tuple)
            and all(type(length) is int and length >= 0 for length in shape)
            and isinstance(kind, _PickledType)
            and kind.spec in (b"u1", "u1")
            and fortran in (False, 0)
            and isinstance(data, bytes)
        )
        if not sound or len(data) != _product(shape):
            return None
        return np.frombuffer(bytearray(data), np.uint8).reshape(shape)


class _PickledType:
    """What a pickle says of a dtype: stands in for `numpy.dtype`, and leaves its state, the order of bytes, alone."""

    def __init__(self, spec: Any = None, *rest: Any) -> None:
        self.spec = spec

    def __setstate__(self, state: Any) -> None:
        """Leave the state alone."""


def _product(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): PickledArray,
    ("numpy._core.multiarray", "_reconstruct"): PickledArray,
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _PickledType,
}


class _Refused(Exception):
    """The pickle uses an object that no array needs."""


class _ArrayUnpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of one of numpy's array constructors; nothing is imported."""
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_batch(data: bytes, origin: str) -> dict[bytes, Any]:
    """Read the dictionary of a CIFAR batch.

    Args:
        data: a pickle, as Python 2 wrote it.
        origin: name of its file, for messages.

    Returns:
        Values by key; texts of Python 2 are bytes, arrays are `PickledArray`.

    Raises:
        DataError: the pickle is damaged, or uses more than numpy's array constructors. Nothing that it names is run.
    """
    try:
        batch = _ArrayUnpickler(io.BytesIO(data), encoding="bytes").load()
    except _Refused as refused:
        raise DataError(
            f"{origin} asks for {refused}, which no CIFAR file does; it was refused, and not run. Delete it, and "
            f"get the files from a source that you trust."
        ) from None
    except Exception as error:  # damaged pickles raise any exception
        raise DataError(
            f"{origin} is no pickle or a damaged one: {type(error).__name__}: {str(error)[:200]}. {GET_AGAIN}"
        ) from error
    if not isinstance(batch, dict):
        raise DataError(
            f"{origin} holds a {type(batch).__name__}, where a CIFAR file has a dictionary. {GET_AGAIN}"
        )
    return batch
