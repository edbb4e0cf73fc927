"""The journal file under the ledger: opened safely, and repaired only where a crash explains the damage."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from automl_loss.errors import ResumeError
from automl_loss.search.atomic import writing

_log = logging.getLogger(__name__)


class _HeldLock(JournalFileOpenLock):
    """The run directory's lock already keeps other writers out; readers need none."""

    def acquire(self) -> bool:
        """Nothing to wait for."""
        return True

    def release(self) -> None:
        """Nothing to release."""


class _SafeBackend(JournalFileBackend):
    """Optuna's journal file, with errors that name the file and the remedy."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), lock_obj=_HeldLock(str(path)))
        self._path = path

    def append_logs(self, logs: list[dict[str, object]]) -> None:
        """Append and sync to disk."""
        with writing(self._path):
            super().append_logs(logs)


def open_journal(path: Path) -> JournalStorage:
    """The storage of a journal file, made when it does not exist; the caller holds the run directory's lock.

    Raises:
        ResumeError: the file is not a journal, or is damaged elsewhere than in its last line; it is left as it is.
    """
    if path.exists():
        _mend(path)
    with writing(path):
        return JournalStorage(_SafeBackend(path))


def _mend(path: Path) -> None:
    """Cut off a last line that a crash left half written; refuse any other damage."""
    good = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if _is_record(line):
                good += len(line)
                continue
            torn = not file.read(1)
            if torn and not line.endswith(b"\n"):
                break
            raise ResumeError(
                f"{path}:{number}: this line is not a record of Optuna's journal, and it is not a half-written last one. "
                f"The file is left untouched: restore it from a copy, or start a new run in another folder."
            )
    if good < path.stat().st_size:
        _log.warning("%s: cut off a half-written last line", path)
        with writing(path), path.open("rb+") as file:
            file.truncate(good)
            os.fsync(file.fileno())


def _is_record(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and "op_code" in record
