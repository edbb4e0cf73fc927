"""Read files of foreign formats: a damaged one is named, and no header is believed before the file's size is seen."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, cast

from automl_loss import AutolossError, DataError, parsing_memory

_CHUNK = 2**20
_GIB = 2**30
_DEFLATE = 1032
"""No deflated data expand to more than 1032 times their size (zlib's technical notes)."""
_SLACK = 2**16
GET_AGAIN = "Delete it and get it again."
MEND = "Mend the file."


@contextmanager
def reading(origin: Path | str, fault: str = "is damaged", remedy: str = GET_AGAIN) -> Iterator[None]:
    """Turn whatever a parser raises on a damaged file into an error that names the file; errors of automl-loss pass.

    Args:
        origin: the file, or a member of it.
        fault: what is said of it before the reason.
        remedy: a sentence at the end.

    Raises:
        DataError: the block raised any other exception. Panics of Rust's libraries are no `Exception`.
    """
    try:
        yield
    except AutolossError:
        raise
    except MemoryError as error:
        raise DataError(
            f"{origin} {fault}: reading it needs more memory than there is; it is too large, or damaged. {remedy}"
        ) from error
    except Exception as error:
        text = str(error).partition("\n")[0][:500].rstrip(". ")
        raise DataError(f"{origin} {fault}: {text or type(error).__name__}. {remedy}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        text = str(error).partition("\n")[0][:200]
        raise DataError(f"{origin} {fault}: its parser gave up ({text}). {remedy}") from error


def check_size(declared: int, stored: int, packed: bool) -> None:
    """Check a size that a header declares before memory is allocated for it.

    Args:
        declared: bytes that the header says.
        stored: bytes in the file that hold them.
        packed: whether they are deflated, and so may grow.

    Raises:
        ValueError: the file cannot hold so much, or the machine.
    """
    most = stored * _DEFLATE + _SLACK if packed else stored
    if declared > most:
        raise ValueError(f"its header says {declared:,} bytes, and {stored:,} in the file cannot hold them")
    if declared > parsing_memory():
        raise ValueError(
            f"it holds {declared / _GIB:,.1f} GiB, and a file may take {parsing_memory() / _GIB:,.1f} GiB, half of "
            f"the memory; make it smaller"
        )


def read_most(file: IO[bytes], most: int) -> bytearray:
    """Read to the end, or one byte past `most`; memory grows with what is there, not with `most`."""
    data = bytearray()
    while len(data) <= most:
        piece = file.read(min(_CHUNK, most + 1 - len(data)))
        if not piece:
            break
        data += piece
    return data


def gunzip(data: bytes) -> bytearray:
    """Unpack gzip data that end in what the machine can hold.

    Raises:
        ValueError: they are larger than a file may be.
    """
    most = parsing_memory()
    with gzip.open(BytesIO(data)) as file:
        unpacked = read_most(cast(IO[bytes], file), most)
    check_size(len(unpacked), len(data), packed=True)
    return unpacked
