"""Compile the kernels' functions: strictly IEEE, without the interpreter lock, kept on disk.

No fast-math flag is set, so a result depends neither on an element's index in its row nor on the width of the
processor's vectors.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import numba

_logger = logging.getLogger(__name__)

FunctionType = TypeVar("FunctionType", bound=Callable[..., Any])


def helper(function: FunctionType) -> FunctionType:
    """Compile a function that only other compiled functions call."""
    return numba.njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def entry(function: FunctionType) -> FunctionType:
    """Compile a function that Python calls, and keep its machine code on disk for the next process.

    Numba keeps it where `NUMBA_CACHE_DIR` says, beside the source file, or in the user's cache directory.
    When none of these can be written, every process compiles anew, which takes seconds and changes no result.
    """
    dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        dispatcher.enable_caching()
    except RuntimeError as error:
        if "cannot cache function" not in str(error):
            raise
        _note_missing_cache()
    return dispatcher  # type: ignore[no-any-return]


@functools.cache
def _note_missing_cache() -> None:
    _logger.warning(
        "No directory can be written to keep the compiled loss kernels in, so each process compiles them "
        "anew, which takes some seconds. Set NUMBA_CACHE_DIR to a directory that can be written."
    )


def fingerprint(*modules: ModuleType) -> int:
    """Return a number that changes with the source of these modules.

    Numba compiles an entry again when the entry's own file has changed, but not for the files it calls into.
    """
    text = "\0".join(inspect.getsource(module) for module in modules)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
