"""How the kernels' functions are compiled: strictly IEEE, without the interpreter lock, once per installation.

No fast-math flag is set, so a result does not depend on an element's place in its row, nor on the vector width of
the processor.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

_logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


def helper(function: F) -> F:
    """Compile a function that only other compiled functions call."""
    return numba.njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def entry(function: F) -> F:
    """Compile a function that Python calls, and keep its machine code on disk for the next process.

    Numba puts it beside the source file, in the user's cache directory, or where `NUMBA_CACHE_DIR` says. When none
    of these can be written, every process compiles anew, which takes seconds but changes no result.
    """
    dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        dispatcher.enable_caching()
    except RuntimeError as error:
        _logger.info(
            "Loss kernels cannot be kept on disk (%s); each process compiles them anew. "
            "Set NUMBA_CACHE_DIR to a directory that can be written.",
            error,
        )
    return dispatcher  # type: ignore[no-any-return]


def fingerprint(*modules: str) -> int:
    """A number that changes with the text of the given sibling modules.

    Numba notices changes of an entry's own file alone. An entry that holds this number in its closure is compiled
    again when a file it calls into has changed.
    """
    text = b"".join((Path(__file__).parent / f"{module}.py").read_bytes() for module in modules)
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big")
