"""SVHN from MATLAB files that the test writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from autoloss_tasks.svhn import Svhn
from automl_loss import EvaluationError, MissingDataError

RNG = np.random.default_rng(0)


def write(folder: Path, part: str, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    pixels = RNG.integers(0, 256, (32, 32, 3, rows), dtype=np.uint8)
    labels = (np.arange(rows) % 10 + 1).astype(np.uint8)[:, None]
    savemat(folder / f"{part}_32x32.mat", {"X": pixels, "y": labels})
    return pixels, labels


def task_in(folder: Path) -> Svhn:
    return Svhn(Svhn.Config(folder=str(folder)))


def test_images_come_channels_first_and_label_10_is_the_digit_0(tmp_path: Path) -> None:
    pixels, labels = write(tmp_path, "train")
    images, digits = task_in(tmp_path).load("train")
    assert images.shape == (200, 3, 32, 32)
    assert images[7, 2, 3, 4] == pixels[3, 4, 2, 7]
    assert digits[9] == 0
    assert labels[9, 0] == 10
    assert digits[:9].tolist() == list(range(1, 10))


def test_a_tenth_is_validation_and_digits_are_not_mirrored(tmp_path: Path) -> None:
    write(tmp_path, "train")
    write(tmp_path, "test", 50)
    task = task_in(tmp_path)
    splits = task.splits(0)
    assert (len(splits.train), len(splits.validation), len(task.test(0))) == (180, 20, 50)
    assert (task.config.crop, task.config.flip) == (4, False)


def test_what_is_damaged_or_another_thing_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"no file 'train_32x32\.mat' of svhn"):
        task_in(tmp_path).load("train")
    file = tmp_path / "train_32x32.mat"
    write(tmp_path, "train")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EvaluationError, match="damaged one"):
        task_in(tmp_path).load("train")
    savemat(file, {"X": np.zeros((32, 32, 3, 2), np.uint8)})
    with pytest.raises(EvaluationError, match="as many labels y"):
        task_in(tmp_path).load("train")
    savemat(file, {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[0], [11]], np.uint8)})
    with pytest.raises(EvaluationError, match="labels from 0 to 11; expected 1 to 10"):
        task_in(tmp_path).load("train")
