from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from automl_loss.record.chunk_records import ChunkRecords


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chunks.log"


def test_values_come_back_equal_in_another_session_and_the_last_of_a_key_counts(path: Path) -> None:
    records = ChunkRecords(path)
    records.remember("learning-rate", {"lr": 0.1 + 0.2, "tried": ((0.1, float("inf")),)})
    records.remember("elapsed/a", 1.5)
    records.remember("elapsed/a", 2.5)
    records.remember("elapsed/b", np.float32(4.0))
    for each in (records, ChunkRecords(path)):
        assert each.recall("learning-rate") == {"lr": 0.1 + 0.2, "tried": [[0.1, float("inf")]]}
        assert each.recall_prefix("elapsed/") == {"a": 2.5, "b": 4.0}
        assert each.recall("other") is None


def test_what_is_no_plain_data_is_refused_and_leaves_the_file_as_it_was(path: Path) -> None:
    records = ChunkRecords(path)
    records.remember("key", [1])
    before = path.read_bytes()
    with pytest.raises(TypeError, match="cannot record a object"):
        records.remember("key", [object()])
    assert path.read_bytes() == before


def test_changing_what_was_recalled_changes_no_record(path: Path) -> None:
    records = ChunkRecords(path)
    records.remember("key", {"a": [1]})
    records.recall("key")["a"].append(2)
    assert records.recall("key") == {"a": [1]}


def test_a_last_record_that_was_cut_short_is_cut_off_and_kept_beside(path: Path) -> None:
    records = ChunkRecords(path)
    records.remember("first", 1)
    whole = path.read_bytes()
    records.remember("second", 2)
    torn = path.read_bytes()[:-3]
    path.write_bytes(torn)
    again = ChunkRecords(path)
    assert (again.recall("first"), again.recall("second")) == (1, None)
    assert path.read_bytes() == whole
    assert path.with_name("chunks.log.torn").read_bytes() == torn[len(whole) :]
    again.remember("second", 3)
    assert ChunkRecords(path).recall("second") == 3


def test_every_flipped_bit_of_a_record_is_found_and_named_and_the_others_are_read(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = ChunkRecords(path)
    for n in range(3):
        records.remember(f"chunk-{n}", [n, 0.5])
    data = path.read_bytes()
    first, second = data.index(b"\n") + 1, data.index(b"\n", data.index(b"\n") + 1)
    for place in range(first, second):
        for bit in range(8):
            flipped = bytes([data[place] ^ (1 << bit)])
            if flipped == b"\n":
                continue  # two damaged records, of which the test below speaks
            path.write_bytes(data[:place] + flipped + data[place + 1 :])
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                damaged = ChunkRecords(path)
            assert [damaged.recall(f"chunk-{n}") for n in range(3)] == [[0, 0.5], None, [2, 0.5]]
            assert "chunks.log:2: this record does not match its checksum" in caplog.text


def test_a_record_that_falls_into_two_lines_is_left_out(path: Path) -> None:
    records = ChunkRecords(path)
    for n in range(3):
        records.remember(f"chunk-{n}", n)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:20] + b"\n" + lines[1][20:] + lines[2])
    again = ChunkRecords(path)
    assert [again.recall(f"chunk-{n}") for n in range(3)] == [0, None, 2]


def test_records_of_the_first_version_are_read_and_new_ones_take_their_place(path: Path) -> None:
    records = ChunkRecords(path, {"old": json.dumps([float("nan"), 1])[0:1] + "2]", "both": "1"})
    assert records.recall("old") == [2]
    records.remember("both", 2)
    assert records.recall_prefix("b") == {"oth": 2}


def test_what_the_run_depends_on_is_recorded_once(path: Path) -> None:
    ChunkRecords(path).identify({"recipe": "a"})
    ChunkRecords(path).identify({"recipe": "b"})
    assert ChunkRecords(path).recall("run") == {"schema": 1, "recipe": "a"}
    assert len(path.read_bytes().splitlines()) == 1
