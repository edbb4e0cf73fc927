"""Reads the Python pickles of CIFAR without running what a pickle may ask for."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from automl_loss import EvaluationError


def _dtype(spec: Any, *rest: Any) -> np.dtype[Any]:
    """A dtype; pickles of the time also pass `align` and `copy`, as integers."""
    return np.dtype(spec.decode("ascii") if isinstance(spec, bytes) else spec)


# What a pickled array calls: `_reconstruct` makes an empty one, to which its dtype and bytes are given as state.
_RECONSTRUCT = np.zeros(0).__reduce__()[0]
_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
}


class _Refused(Exception):
    """The pickle asks for something that no array needs."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """One of numpy's array constructors; nothing else is even imported."""
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_batch(data: bytes, origin: str) -> dict[bytes, Any]:
    """The dictionary of a CIFAR batch.

    Args:
        data: a pickle, as Python 2 wrote it.
        origin: where it is from, for messages.

    Returns:
        Values by key; texts of Python 2 are bytes.

    Raises:
        EvaluationError: the pickle is damaged, or asks for more than numpy's array constructors. Nothing that it
            asks for has then been run.
    """
    try:
        batch = _ArrayUnpickler(io.BytesIO(data), encoding="bytes").load()
    except _Refused as refused:
        raise EvaluationError(
            f"{origin} asks for {refused}, which no CIFAR file does; it was refused, and not run. Delete it, and "
            f"get the files from a source that you trust."
        ) from None
    except Exception as error:  # damaged pickles raise anything
        raise EvaluationError(
            f"{origin} is no pickle or a damaged one: {type(error).__name__}: {error}. Delete it and get it again."
        ) from error
    if not isinstance(batch, dict):
        raise EvaluationError(
            f"{origin} holds a {type(batch).__name__}, where a CIFAR file has a dictionary. Delete it and get it "
            f"again."
        )
    return batch
