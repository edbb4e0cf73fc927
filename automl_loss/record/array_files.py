"""Files of arrays beside the chunk records, whose digest is on record: a damaged file counts as one that is missing."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_loss.record.atomic import replace_file
from automl_loss.record.checksum import checksum

FILE_KEY = "/file"
"""End of the keys of chunk records that hold the digest of a file of raw outputs."""

_logger = logging.getLogger(__name__)


def write_arrays(file: Path, arrays: Mapping[str, NDArray[Any]], *, compressed: bool = False) -> str:
    """Write arrays as one npz file, durably.

    Returns:
        The digest of the file's content, for `read_arrays`.

    Raises:
        AutolossError: the file cannot be written.
    """
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, **arrays)  # type: ignore[arg-type]
    data = content.getvalue()
    replace_file(file, lambda stream: stream.write(data))
    return checksum(data)


def read_arrays(file: Path, digest: str | None) -> dict[str, NDArray[Any]] | None:
    """Read the arrays of a file; `None`, and a warning that names it, where they are not what was written.

    Args:
        file: made by `write_arrays`.
        digest: on record; `None` in records of the first version, which had none.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _logger.warning("%s: cannot be read (%s); what it held is computed again.", file, error.strerror)
        return None
    if digest is not None and digest != checksum(data):
        _logger.warning("%s: does not match its digest; what it held is computed again.", file)
        return None
    try:
        with np.load(io.BytesIO(data)) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError) as error:
        _logger.warning("%s: is damaged (%s); what it held is computed again.", file, error)
        return None


def digest_of(file: Path) -> str:
    """Return the digest of a file's content."""
    return checksum(file.read_bytes())
