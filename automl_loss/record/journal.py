"""The journal file: one record a line with its checksum, synchronised to disk, repaired where a line is damaged.

It is an Optuna journal, so optuna-dashboard and `optuna.load_study` read it while the run writes; Optuna ignores the
checksum, the last key of each record. Optuna's own lock file is not used: the run directory is held by one process,
and a lock file would outlive a process that is killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from automl_loss.errors import ResumeError
from automl_loss.record.append_file import AppendFile, cut_off
from automl_loss.record.atomic import writing
from automl_loss.record.checksum import checksum

_CREATE_TRIAL = 4
"""Optuna's code of the operation that adds a trial."""
_FIRST_BYTES = b'{"op_code":'
_MARK = b',"checksum":"'


class Journal(BaseJournalBackend):
    """Optuna journal backend on a file that this process alone writes.

    A record is durable when `append_logs` returns, or at the end of a `batch`. A write that fails leaves the
    file as it was before.

    Args:
        path: the file; made when it does not exist.
        with_trials: whether reading gives the records of trials. A storage keeps in memory what it reads, what it wrote
            itself included; without trials its memory does not grow with the search.
    """

    def __init__(self, path: Path, *, with_trials: bool = True) -> None:
        self.path = path
        self._file = AppendFile(path)
        self._reader = JournalFileBackend(str(path))
        self._with_trials = with_trials
        self._unread: list[dict[str, Any]] | None = None
        self._given = False

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Records from a number on."""
        if self._with_trials:
            return self._reader.read_logs(log_number_from)
        # This process alone writes: after the first reading there is nothing but what it appends.
        if self._unread is None:
            self._unread = []
            return (log for log in self._reader.read_logs(0) if log["op_code"] != _CREATE_TRIAL)
        unread, self._unread = self._unread, []
        return filter(self._is_given, unread)

    def _is_given(self, log: dict[str, Any]) -> bool:
        """Whether a storage without trials is given a record: all others, and one trial of its own, which it needs."""
        if log["op_code"] != _CREATE_TRIAL:
            return True
        first, self._given = not self._given, True
        return first

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records.

        Raises:
            AutolossError: the disk is full, and the like.
        """
        self._file.append(b"".join(map(_line, logs)))
        if self._unread is not None:
            self._unread += json.loads(json.dumps(logs))

    def batch(self) -> AbstractContextManager[None]:
        """Synchronise the records of the block to disk once, at its end."""
        return self._file.batch()


@dataclass(frozen=True)
class Examined:
    """What a journal holds.

    Args:
        end: number of bytes up to the first line that is damaged, or of the whole file.
        size: bytes of the file.
        records: number of records up to there.
        number: of the damaged line, counted from 1; 0 where there is none.
        fault: why that line is no record; empty where there is none.
        torn: whether the damage is a last line that was not written to its end.
        ours: whether the file is a journal of this program beyond doubt.
    """

    end: int
    size: int
    records: int
    number: int = 0
    fault: str = ""
    torn: bool = False
    ours: bool = True


def examine(path: Path) -> Examined:
    """Read a journal to its first damaged line; changes nothing."""
    end, records, summed, fault, rest = 0, 0, False, "", b""
    with writing(path), path.open("rb") as stream:
        for line in stream:
            fault = _fault(line)
            if fault:
                rest = line
                break
            end, records, summed = end + len(line), records + 1, summed or _MARK in line
        # One record with a checksum that is right, before or after the damage, shows whose file it is.
        last = True
        for line in stream:
            last, summed = False, summed or (_MARK in line and not _fault(line))
        size = stream.tell()
    if not fault:
        return Examined(end, size, records)
    torn = last and not (rest.endswith(b"\n") and _is_json(rest))
    ours = summed or (torn and (end > 0 or _FIRST_BYTES.startswith(rest[: len(_FIRST_BYTES)])))
    return Examined(end, size, records, records + 1, fault, torn, ours)


def repair(path: Path, *, force: bool = False) -> int:
    """Cut a journal off where its first damaged line begins. The caller holds the run directory.

    A last line that was not written to its end was never acknowledged. Of records that do not match their checksum, and
    those after them, the chunks are on record elsewhere or are computed again. The bytes are kept in a file beside the
    journal, with the suffix `.torn`. A file without a record, of a run that was killed before its first, is a journal
    yet to be begun.

    Args:
        path: the journal.
        force: also cut a journal of the first version, which has no checksums, off at a line that cannot be read.

    Returns:
        The number of bytes cut off.

    Raises:
        ResumeError: the file is none of ours, or has no checksums and a line before the last one is no record.
        AutolossError: the file cannot be written.
    """
    found = examine(path)
    if not found.fault:
        return 0
    if not found.ours and not (force and found.end):
        raise ResumeError(_unreadable(path, found, forced=force))
    if found.torn:
        return cut_off(path, found.end)
    rest = f"line {found.number}: {found.fault}. It and what comes after it are left out and computed again"
    return cut_off(path, found.end, rest)


def _line(log: dict[str, Any]) -> bytes:
    """The line of a record; its checksum is that of the line without it."""
    text = json.dumps(log, separators=(",", ":"), allow_nan=False).encode()
    return b'%s%s%s"}\n' % (text[:-1], _MARK, checksum(text).encode())


def _fault(line: bytes) -> str:
    """Why a line is no record of an Optuna journal; empty where it is one."""
    if not line.endswith(b"\n"):
        return "the line was not written to its end"
    text, mark, end = line.rpartition(_MARK)
    if mark and end != checksum(text + b"}").encode() + b'"}\n':
        return "this record does not match its checksum"
    try:
        record = json.loads(line)
    except ValueError:
        return f"the line is not JSON: {line[:40]!r}"
    if not isinstance(record, dict) or not {"op_code", "worker_id"} <= record.keys():
        return f"the line is no record of a ledger: {line[:40]!r}"
    return ""


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _unreadable(path: Path, found: Examined, *, forced: bool) -> str:
    remedy = "Restore it from a copy, or start a new run in another directory"
    if found.end and not forced:
        remedy += (
            f"; `autoloss doctor {path.parent} --repair` keeps the {found.records} records before this line"
        )
    return f"{path}:{found.number}: {found.fault}. The file was left as it is. {remedy}."
