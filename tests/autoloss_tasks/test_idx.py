from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from support.idx import idx_bytes

from autoloss_tasks._idx import read_idx
from automl_loss import EvaluationError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_was_written_is_read_whatever_the_file_is_called(
    tmp_path: Path, name: str, packed: bool
) -> None:
    data = idx_bytes(IMAGES)
    (tmp_path / name).write_bytes(gzip.compress(data) if packed else data)
    assert np.array_equal(read_idx(tmp_path / name, 3), IMAGES)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"", "begins with nothing, not with 00 00 08 03"),
        (lambda data: b"<html>", "begins with 3c 68 74 6d"),
        (lambda data: b"\0\0\x0d" + data[3:], "begins with 00 00 0d 03"),
        (lambda data: data[:9], "ends within its header"),
        (lambda data: data[:-1], r"says 24 bytes of shape \(2, 3, 4\), it has 23"),
        (lambda data: data + b"x", "it has 25"),
        (lambda data: data[:4] + b"\xff" * 12 + data[16:], "it has 24"),
        (lambda data: gzip.compress(data)[:-12], "compressed data end or break off"),
        (lambda data: gzip.compress(data)[:20] + b"\xff" * 9, "in the file cannot hold them"),
        (lambda data: gzip.compress(data)[:-8] + b"12345678", "compressed data end or break off"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, spoil: object, message: str) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(spoil(idx_bytes(IMAGES)))
    with pytest.raises(EvaluationError, match=message) as raised:
        read_idx(path, 3)
    assert str(path) in str(raised.value)


def test_labels_are_not_taken_for_images(tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(idx_bytes(np.arange(5)))
    with pytest.raises(EvaluationError, match="00 00 08 01, not with 00 00 08 03"):
        read_idx(tmp_path / "labels", 3)
