"""The journal file: one record a line, synchronised to disk, repaired only where a write was cut short.

It is an Optuna journal, so optuna-dashboard and `optuna.load_study` read it while the run writes. Optuna's
own lock file is not used: the run directory is held by one process, and a lock file would outlive a process
that is killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from automl_loss.errors import ResumeError
from automl_loss.record.append_file import AppendFile, cut_off
from automl_loss.record.atomic import writing

_FIRST_BYTES = b'{"op_code":'


class Journal(BaseJournalBackend):
    """Optuna journal backend on a file that this process alone writes.

    A record is durable when `append_logs` returns, or at the end of a `batch`. A write that fails leaves the
    file as it was before.

    Args:
        path: the file; made when it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._file = AppendFile(path)
        self._reader = JournalFileBackend(str(path))

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Records from a number on."""
        return self._reader.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records.

        Raises:
            AutolossError: the disk is full, and the like.
        """
        text = "".join(json.dumps(log, separators=(",", ":"), allow_nan=False) + "\n" for log in logs)
        self._file.append(text.encode())

    def batch(self) -> AbstractContextManager[None]:
        """Synchronise the records of the block to disk once, at its end."""
        return self._file.batch()


def repair(path: Path) -> int:
    """Cut off a last line that was not written to its end. The caller holds the run directory.

    What is cut off was never acknowledged: the chunk it belongs to is computed again. The bytes are kept in a
    file beside the journal, with the suffix `.torn`. A journal that is unreadable in any other way is not
    touched. A file without a record, of a run that was killed before its first, is a journal yet to be begun.

    Returns:
        The number of bytes cut off.

    Raises:
        ResumeError: a line before the last one is no record, or the file is none of ours.
        AutolossError: the file cannot be written.
    """
    with writing(path):
        end, size = _end_of_records(path), path.stat().st_size
    return cut_off(path, end) if end < size else 0


def _end_of_records(path: Path) -> int:
    """Number of bytes up to a torn last line, or of the whole file."""
    end, bad = 0, None
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if bad is not None:
                raise ResumeError(_unreadable(path, *bad))
            torn = _fault(line)
            if torn is None:
                end += len(line)
            else:
                bad = (number, torn)
                if line.endswith(b"\n") and _is_json(line):
                    raise ResumeError(_unreadable(path, *bad))
    if end == 0 and bad is not None and not _begins_record(path):
        raise ResumeError(_unreadable(path, *bad))
    return end


def _fault(line: bytes) -> str | None:
    """Why a line is no record of an Optuna journal, or `None`."""
    if not line.endswith(b"\n"):
        return "the line was not written to its end"
    try:
        record = json.loads(line)
    except ValueError:
        return f"the line is not JSON: {line[:40]!r}"
    if not isinstance(record, dict) or not {"op_code", "worker_id"} <= record.keys():
        return f"the line is no record of a ledger: {line[:40]!r}"
    return None


def _begins_record(path: Path) -> bool:
    """Whether a file without a whole line is a journal whose first record was cut short."""
    with path.open("rb") as stream:
        begun = stream.read(len(_FIRST_BYTES))
    return _FIRST_BYTES.startswith(begun)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _unreadable(path: Path, number: int, fault: str) -> str:
    return (
        f"{path}:{number}: {fault}. The file was left as it is. "
        f"Restore it from a copy, or start a new run in another directory."
    )
