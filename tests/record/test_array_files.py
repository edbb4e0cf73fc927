from __future__ import annotations

import logging
import random
from pathlib import Path

import numpy as np
import pytest

from automl_loss.record.array_files import read_arrays, write_arrays

ARRAYS = {"best_0": np.arange(12.0).reshape(3, 4), "last_0": np.array([np.nan, np.inf], dtype=np.float32)}


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_come_back_to_the_bit(tmp_path: Path, compressed: bool) -> None:
    file = tmp_path / "arrays.npz"
    digest = write_arrays(file, ARRAYS, compressed=compressed)
    for given in (digest, None):
        found = read_arrays(file, given)
        assert found is not None
        assert {name: array.tobytes() for name, array in found.items()} == {
            name: array.tobytes() for name, array in ARRAYS.items()
        }


def test_a_file_with_a_flipped_bit_is_named_and_counts_as_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "arrays.npz"
    digest = write_arrays(file, ARRAYS, compressed=True)
    whole = file.read_bytes()
    for place in random.Random(1).sample(range(8 * len(whole)), 200):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << (place % 8)
        file.write_bytes(flipped)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert read_arrays(file, digest) is None
        assert str(file) in caplog.text
        assert "computed again" in caplog.text


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello", b"\x93NUMPY"])
def test_what_is_no_file_of_arrays_counts_as_missing_without_a_digest_too(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "arrays.npz"
    file.write_bytes(content)
    assert read_arrays(file, None) is None


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    assert read_arrays(tmp_path / "none.npz", None) is None
