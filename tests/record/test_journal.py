from __future__ import annotations

import errno
import json
import logging
import os
import random
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from automl_loss.errors import AutolossError, ResumeError
from automl_loss.record.journal import Journal, examine, repair

RECORD = {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"key": "value"}}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of three records that Optuna itself wrote."""
    path = tmp_path / "journal.log"
    backend = JournalFileBackend(str(path))
    study = optuna.create_study(storage=JournalStorage(backend), study_name="mine")
    study.set_user_attr("one", 1)
    study.set_user_attr("two", 2)
    assert path.read_bytes().count(b"\n") >= 3
    return path


def attributes(path: Path) -> dict[str, Any]:
    """What Optuna, with its own backend, reads from a journal."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    return dict(optuna.load_study(study_name="mine", storage=storage).user_attrs)


def test_optuna_reads_what_is_appended_while_the_writer_is_at_work(journal: Path) -> None:
    study = optuna.load_study(study_name="mine", storage=JournalStorage(Journal(journal)))
    for i in range(3):
        study.set_user_attr("three", i)
        assert attributes(journal) == {"one": 1, "two": 2, "three": i}


def test_each_append_is_synchronised_to_disk_and_a_batch_once(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, sizes = Journal(journal), []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (sizes.append(os.fstat(fd).st_size), real(fd)))
    backend.append_logs([RECORD])
    one = journal.stat().st_size
    backend.append_logs([RECORD])
    assert sizes == [one, journal.stat().st_size]
    sizes.clear()
    with backend.batch():
        for _ in range(5):
            backend.append_logs([RECORD])
    assert sizes == [journal.stat().st_size]
    backend.append_logs([RECORD])
    assert len(sizes) == 2


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_write_that_fails_half_way_leaves_the_journal_as_it_was(
    journal: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    backend, before, real = Journal(journal), journal.read_bytes(), os.write

    def half_then_fail(descriptor: int, data: memoryview) -> int:
        if len(data) <= 10:
            raise OSError(code, os.strerror(code))
        return real(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half_then_fail)
        with pytest.raises(AutolossError, match=r"journal\.log: cannot be written: .*--resume"):
            backend.append_logs([RECORD])
    assert journal.read_bytes() == before
    backend.append_logs([RECORD])
    assert attributes(journal) == {"one": 1, "two": 2, "key": "value"}


def test_a_number_that_is_not_finite_never_reaches_the_file(journal: Path) -> None:
    before = journal.read_bytes()
    with pytest.raises(ValueError, match="JSON compliant"):
        Journal(journal).append_logs([{**RECORD, "value": float("nan")}])
    assert journal.read_bytes() == before


def test_a_whole_journal_is_not_touched(journal: Path) -> None:
    before = (journal.read_bytes(), journal.stat().st_mtime_ns)
    assert repair(journal) == 0
    assert (journal.read_bytes(), journal.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    "torn",
    [
        b"{",
        json.dumps(RECORD).encode()[:-1],
        json.dumps(RECORD).encode(),
        b'{"op_code":4,"worker\n',
        b"\0" * 512,
        b"\xff\xfe garbage",
    ],
)
def test_a_torn_last_line_is_cut_off_kept_beside_and_told(
    journal: Path, torn: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    whole = journal.read_bytes()
    journal.write_bytes(whole + torn)
    with caplog.at_level(logging.WARNING):
        assert repair(journal) == len(torn)
    assert journal.read_bytes() == whole
    assert journal.with_name("journal.log.torn").read_bytes() == torn
    assert f"cut off its {len(torn)} bytes" in caplog.text
    assert attributes(journal) == {"one": 1, "two": 2}


def test_a_journal_torn_at_any_byte_gives_back_every_record_before_it(journal: Path) -> None:
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    for length in [*range(len(lines[0]), len(whole), 13), len(whole) - 1]:
        journal.write_bytes(whole[:length])
        repair(journal)
        assert journal.read_bytes() == b"".join(lines[: whole[:length].count(b"\n")])


def damaged(journal: Path, kind: str) -> bytes:
    lines = journal.read_bytes().splitlines(keepends=True)
    return {
        "bad line in the middle": lines[0] + b"{torn" + lines[1] + lines[2],
        "missing newline in the middle": lines[0] + lines[1][:-1] + b"".join(lines[2:]) + lines[1],
        "zeros in the middle": lines[0] + b"\0" * 20 + b"\n" + lines[1],
        "another program's JSON": lines[0] + b'{"level": "info"}\n',
        "another program's last line": lines[0] + b"[1, 2]\n",
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "bad line in the middle",
        "missing newline in the middle",
        "zeros in the middle",
        "another program's JSON",
        "another program's last line",
    ],
)
def test_a_journal_unreadable_elsewhere_is_refused_by_line_and_never_changed(
    journal: Path, kind: str
) -> None:
    content = damaged(journal, kind)
    journal.write_bytes(content)
    with pytest.raises(ResumeError, match=r"journal\.log:2: .*left as it is"):
        repair(journal)
    assert journal.read_bytes() == content
    assert not journal.with_name("journal.log.torn").exists()


@pytest.mark.parametrize("content", [b"\n", b"hello", b"hello\n", bytes(range(256)) * 20, b"[]\n", b"{}\n"])
def test_a_file_that_is_no_journal_is_refused_and_never_changed(journal: Path, content: bytes) -> None:
    journal.write_bytes(content)
    with pytest.raises(ResumeError, match=r"journal\.log:1: "):
        repair(journal)
    assert journal.read_bytes() == content


@pytest.mark.parametrize("length", [0, 1, 5, 60])
def test_a_journal_killed_within_its_first_record_begins_anew(journal: Path, length: int) -> None:
    first = journal.read_bytes().splitlines()[0]
    journal.write_bytes(first[:length])
    assert repair(journal) == length
    optuna.create_study(storage=JournalStorage(Journal(journal)), study_name="mine")
    assert attributes(journal) == {}


def test_a_torn_line_that_cannot_be_kept_is_not_cut_off(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = journal.read_bytes() + b'{"op'
    journal.write_bytes(torn)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AutolossError, match="disk is full"):
        repair(journal)
    assert journal.read_bytes() == torn


@pytest.fixture
def summed(tmp_path: Path) -> Path:
    """A journal of this program, each of whose records has a checksum."""
    path = tmp_path / "summed.log"
    study = optuna.create_study(storage=JournalStorage(Journal(path)), study_name="mine")
    for number in range(6):
        study.set_user_attr(f"attribute {number}", number)
    return path


def test_a_bit_flipped_anywhere_is_named_and_only_what_comes_before_it_is_kept(
    summed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = summed.read_bytes()
    places = random.Random(0).sample(range(8 * len(whole)), 300)
    for place in places:
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << (place % 8)
        summed.write_bytes(flipped)
        caplog.clear()
        cut = repair(summed)
        kept = summed.read_bytes()
        line = whole[: place // 8].count(b"\n")
        if cut:
            assert kept == b"".join(whole.splitlines(keepends=True)[: kept.count(b"\n")])
            assert kept.count(b"\n") == line
            assert f"line {line + 1}: " in caplog.text or "the last record" in caplog.text
        else:
            # The bit was in the name of the checksum: what the record says is as it was.
            assert [said(each) for each in flipped.splitlines()] == [
                said(each) for each in whole.splitlines()
            ]


def said(line: bytes) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(line)
    return {key: record[key] for key in record if key in RECORD or key == "study_name"}


def test_a_journal_of_the_first_version_is_cut_at_a_line_in_its_middle_only_on_request(
    journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + b"{torn" + lines[1] + lines[2])
    with pytest.raises(ResumeError, match=r"autoloss doctor .* --repair` keeps the 1 records before"):
        repair(journal)
    assert repair(journal, force=True) == len(b"{torn" + lines[1] + lines[2])
    assert journal.read_bytes() == lines[0]
    assert "line 2: the line is not JSON" in caplog.text


def test_another_programs_file_is_not_cut_on_request_either(journal: Path) -> None:
    journal.write_bytes(b"hello\nworld\n")
    with pytest.raises(ResumeError, match=r"journal\.log:1: "):
        repair(journal, force=True)
    assert journal.read_bytes() == b"hello\nworld\n"


def test_an_examination_changes_nothing(summed: Path) -> None:
    whole = summed.read_bytes()
    assert examine(summed).fault == ""
    summed.write_bytes(whole.replace(b'"attribute 3":3', b'"attribute 3":4'))
    found = examine(summed)
    assert (found.records, found.torn, found.ours) == (found.number - 1, False, True)
    assert "checksum" in found.fault
    assert summed.read_bytes() != whole
    assert not summed.with_name("summed.log.torn").exists()
