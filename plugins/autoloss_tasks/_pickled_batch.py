"""Read the Python pickles of CIFAR without running code that a pickle may contain."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from automl_loss import EvaluationError


def _dtype(spec: Any, *rest: Any) -> np.dtype[Any]:
    """Make a dtype; pickles of that time also pass `align` and `copy`, as integers."""
    return np.dtype(spec.decode("ascii") if isinstance(spec, bytes) else spec)


# Functions that a pickled array calls: `_reconstruct` makes an empty one, which gets its dtype and bytes as state.
_RECONSTRUCT = np.zeros(0).__reduce__()[0]
_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
}


class _Refused(Exception):
    """The pickle uses an object that no array needs."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return one of numpy's array constructors; nothing else is imported."""
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_batch(data: bytes, origin: str) -> dict[bytes, Any]:
    """Read the dictionary of a CIFAR batch.

    Args:
        data: a pickle, as Python 2 wrote it.
        origin: name of its file, for messages.

    Returns:
        Values by key; texts of Python 2 are bytes.

    Raises:
        EvaluationError: the pickle is damaged, or uses more than numpy's array constructors. Nothing else that it
            names is run.
    """
    try:
        batch = _ArrayUnpickler(io.BytesIO(data), encoding="bytes").load()
    except _Refused as refused:
        raise EvaluationError(
            f"{origin} asks for {refused}, which no CIFAR file does; it was refused, and not run. Delete it, and "
            f"get the files from a source that you trust."
        ) from None
    except Exception as error:  # damaged pickles raise any exception
        raise EvaluationError(
            f"{origin} is no pickle or a damaged one: {type(error).__name__}: {error}. Delete it and get it again."
        ) from error
    if not isinstance(batch, dict):
        raise EvaluationError(
            f"{origin} holds a {type(batch).__name__}, where a CIFAR file has a dictionary. Delete it and get it "
            f"again."
        )
    return batch
