"""A file that only grows: what was appended is on disk, whole, when the call returns."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_loss.record.atomic import sync_folder, writing

_logger = logging.getLogger(__name__)


class AppendFile:
    """A file that this process alone appends to. A write that fails leaves it as it was before.

    Args:
        path: the file; made when it does not exist.

    Raises:
        AutolossError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._batched = False
        with writing(path):
            path.touch()
            sync_folder(path.parent)

    def append(self, data: bytes) -> int:
        """Append durably, or at the end of a `batch`; returns the place of the first byte.

        Raises:
            AutolossError: the disk is full, and the like.
        """
        with writing(self.path):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                before = os.fstat(descriptor).st_size
                try:
                    _write(descriptor, data)
                    if not self._batched:
                        os.fsync(descriptor)
                except BaseException:
                    # Half a record in the middle of the file would make all of it unreadable.
                    os.ftruncate(descriptor, before)
                    raise
            finally:
                os.close(descriptor)
        return before

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Synchronise what the block appends to disk once, at its end."""
        self._batched = True
        try:
            yield
        finally:
            self._batched = False
            with writing(self.path), self.path.open("ab") as stream:
                os.fsync(stream.fileno())


def cut_off(path: Path, end: int, reason: str = "the last record was not written to its end") -> int:
    """Cut a file off after its first `end` bytes, and keep what follows in a file beside it, with suffix `.torn`.

    Args:
        path: the file.
        end: number of bytes to keep.
        reason: why, for the warning.

    Returns:
        The number of bytes cut off.

    Raises:
        AutolossError: the file cannot be written.
    """
    with writing(path), path.open("r+b") as stream:
        stream.seek(end)
        torn = stream.read()
        with path.with_name(f"{path.name}.torn").open("ab") as beside:
            beside.write(torn)
            beside.flush()
            os.fsync(beside.fileno())
        stream.truncate(end)
        stream.flush()
        os.fsync(stream.fileno())
    _logger.warning("%s: %s; cut off its %d bytes.", path, reason, len(torn))
    return len(torn)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
