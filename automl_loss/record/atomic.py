"""Files that are replaced as a whole: a reader, or a run that is killed, never meets half of one."""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from automl_loss.errors import AutolossError

_REMNANT = re.compile(r"\..+\.\d+\.tmp")
_ON_GOING = "Everything recorded so far is kept, and `--resume` goes on from there."
_ELSEWHERE = "Choose another folder with `-o DIR`."

_EXPLANATIONS = {
    errno.ENOSPC: f"the disk is full. Free some space. {_ON_GOING}",
    errno.EDQUOT: f"your disk quota is used up. Free some space. {_ON_GOING}",
    errno.EIO: f"the device reports an input/output error. Check the disk or the network drive. {_ON_GOING}",
    errno.EROFS: f"the file system is read-only. {_ELSEWHERE}",
    errno.EACCES: f"permission denied. {_ELSEWHERE}",
    errno.EPERM: f"permission denied. {_ELSEWHERE}",
    errno.ENOTDIR: f"a part of its path is a file where a folder is needed. {_ELSEWHERE}",
    errno.EEXIST: f"there is a file where a folder is needed. {_ELSEWHERE}",
    errno.EISDIR: "there is a folder where a file is to be written. Move the folder away.",
    errno.ENOENT: f"its folder does not exist, or was removed during the run. {_ELSEWHERE}",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block, which writes `path`, into an error that says what to do.

    Raises:
        AutolossError: names the path, what is wrong with it, and the remedy.
    """
    try:
        yield
    except OSError as error:
        reason = _EXPLANATIONS.get(error.errno or 0, f"{error.strerror or error}. {_ON_GOING}")
        raise AutolossError(f"{path}: cannot be written: {reason}") from error


def replace_text(path: Path, text: str) -> None:
    """Replace a file by a text in UTF-8; see `replace_file`."""
    replace_file(path, lambda stream: stream.write(text.encode()))


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace a file by what `write` puts into a stream, durably.

    The new content is written beside the file, synchronised to disk, and then takes the file's name in one
    step. If anything fails on the way, the old file stays as it was and nothing is left beside it.

    Args:
        path: the file, which need not exist; its folder must.
        write: is given a binary stream.

    Raises:
        AutolossError: the disk is full, the folder is read-only or missing, and the like.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        _collect_remnants(path)
        try:
            with beside.open("wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
        sync_folder(path.parent)


def _collect_remnants(path: Path) -> None:
    """Remove what killed processes left of earlier attempts to replace a file."""
    for entry in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        process = entry.name.removesuffix(".tmp").rpartition(".")[2]
        if process.isdecimal() and not _is_alive(int(process)):
            entry.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # nobody can be asked without harm
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def remnants(folder: Path) -> list[Path]:
    """Half-written files that a process left in a folder when it was killed in the middle of `replace_file`.

    None of them is of use: the file that it was to become is as it was before. The caller makes sure that no other
    process writes in the folder.
    """
    return [entry for entry in sorted(folder.iterdir()) if _REMNANT.fullmatch(entry.name)]


def sync_folder(folder: Path) -> None:
    """Make names that were added to a folder durable, where the system can (Windows cannot)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
