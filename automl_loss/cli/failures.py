"""Describe the failure of a command: one message with a remedy, and an exit code."""

from __future__ import annotations

import errno
import traceback

from automl_loss.errors import AutolossError, Interrupted

INTERRUPTED = Interrupted.exit_code
FAILED = AutolossError.exit_code

_REMEDIES = {
    errno.ENOSPC: "Free some space, or choose a folder on another disk with -o DIR.",
    errno.EDQUOT: "Free some space, or choose a folder on another disk with -o DIR.",
    errno.EROFS: "Choose a folder that can be written with -o DIR.",
    errno.EACCES: "Change its permissions, or choose another folder.",
    errno.EPERM: "Change its permissions, or choose another folder.",
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "Check the path: a part of it is a file where a folder is needed.",
    errno.EISDIR: "Name a file instead of a folder.",
    errno.EMFILE: "Raise the limit on open files (`ulimit -n`).",
}


def describe(error: BaseException) -> tuple[int, str]:
    """Return exit code and message for an exception that ended a command.

    Example:
        >>> from automl_loss.errors import ResumeError
        >>> describe(ResumeError("runs/wine: there is no run to resume here."))
        (5, 'autoloss: runs/wine: there is no run to resume here.')
    """
    if isinstance(error, AutolossError):
        return error.exit_code, f"autoloss: {error}"
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "autoloss: interrupted."
    if isinstance(error, OSError):
        return FAILED, f"autoloss: {_of_the_system(error)}"
    return FAILED, f"autoloss: {_bug(error)}"


def _of_the_system(error: OSError) -> str:
    """Describe an error of the operating system: the path, the system's message and a remedy."""
    path = error.filename if error.filename2 is None else f"{error.filename} -> {error.filename2}"
    where = f"{path}: " if path is not None else ""
    remedy = _REMEDIES.get(error.errno or 0, "Run again with --debug to see where it happened.")
    return f"{where}{error.strerror or error}. {remedy}"


def _bug(error: BaseException) -> str:
    said = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name} ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return (
        f"{type(error).__name__}{f': {said}' if said else ''}{where}. "
        f"This is a bug of automl-loss or of a plugin, not a mistake of yours; run again with --debug for "
        f"the traceback, and report it."
    )
