"""CIFAR from pickles that the test writes, and from what only looks like one."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from autoloss_tasks.cifar import Cifar10, Cifar100
from automl_loss import EvaluationError, MissingDataError

RNG = np.random.default_rng(0)


class Python2Pickler(pickle._Pickler):  # the C one cannot be taught
    """Writes bytes as Python 2 wrote its texts, which is how the published files hold them."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, text: bytes) -> None:
        short = len(text) < 256
        head = b"U" + bytes([len(text)]) if short else b"T" + struct.pack("<i", len(text))
        self.write(head + text)
        self.memoize(text)

    dispatch[bytes] = save_text


def pickled(data: object) -> bytes:
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(data)
    return stream.getvalue()


def batch(key: bytes, rows: int, classes: int) -> tuple[bytes, npt.NDArray[np.uint8], list[int]]:
    pixels = RNG.integers(0, 256, (rows, 3072), dtype=np.uint8)
    labels = [int(label) for label in np.arange(rows) % classes]
    return pickled({b"data": pixels, key: labels, b"batch_label": b"one"}), pixels, labels


def write_cifar10(folder: Path) -> dict[str, tuple[npt.NDArray[np.uint8], list[int]]]:
    place = folder / "cifar-10-batches-py"
    place.mkdir(parents=True)
    parts: dict[str, tuple[npt.NDArray[np.uint8], list[int]]] = {}
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        data, pixels, labels = batch(b"labels", 40, 10)
        (place / name).write_bytes(data)
        parts[name] = (pixels, labels)
    return parts


def task_in(folder: Path) -> Cifar10:
    return Cifar10(Cifar10.Config(folder=str(folder)))


def test_batches_come_one_after_the_other_as_they_were_written(tmp_path: Path) -> None:
    parts = write_cifar10(tmp_path)
    images, labels = task_in(tmp_path).load("train")
    written = [parts[f"data_batch_{i}"] for i in range(1, 6)]
    assert images.shape == (200, 3, 32, 32)
    assert np.array_equal(images.reshape(200, -1), np.concatenate([pixels for pixels, _ in written]))
    assert labels.tolist() == [label for _, each in written for label in each]
    assert np.array_equal(task_in(tmp_path).load("test")[0].reshape(40, -1), parts["test_batch"][0])


def test_the_archive_is_read_without_unpacking(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "unpacked")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "unpacked" / "cifar-10-batches-py", "cifar-10-batches-py")
    one, other = task_in(tmp_path).load("train"), task_in(tmp_path / "unpacked").load("train")
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar-10-python.tar.gz", "unpacked"]


def test_of_cifar100_the_fine_labels_count(tmp_path: Path) -> None:
    place = tmp_path / "cifar-100-python"
    place.mkdir()
    for name in ("train", "test"):
        pixels = RNG.integers(0, 256, (300, 3072), dtype=np.uint8)
        fine = [int(label) for label in np.arange(300) % 100]
        coarse = [label // 5 for label in fine]
        data = {b"data": pixels, b"fine_labels": fine, b"coarse_labels": coarse}
        (place / name).write_bytes(pickled(data))
    task = Cifar100(Cifar100.Config(folder=str(tmp_path)))
    assert task.problem().classes == 100
    assert set(task.load("train")[1].tolist()) == set(range(100))


class Hostile:
    """A pickle of it runs a command when it is read by Python's own unpickler."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self._command,)


def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    file = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    data = pickled({b"data": Hostile(f"touch {tmp_path}/done"), b"labels": []})
    file.write_bytes(data)
    with pytest.raises(EvaluationError, match=r"data_batch_3 asks for \w+\.system, .* refused, and not run"):
        task_in(tmp_path).load("train")
    assert not (tmp_path / "done").exists()
    pickle.loads(data)  # the test's own proof that it would have run
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("names", ["builtins.eval", "numpy.load", "numpy.core.multiarray.scalar"])
def test_nothing_but_array_constructors_is_found(tmp_path: Path, names: str) -> None:
    write_cifar10(tmp_path)
    module, _, name = names.rpartition(".")
    file = tmp_path / "cifar-10-batches-py" / "test_batch"
    file.write_bytes(f"c{module}\n{name}\n.".encode())
    with pytest.raises(EvaluationError, match="refused, and not run"):
        task_in(tmp_path).load("test")


def test_what_is_damaged_or_another_thing_is_said(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    file = tmp_path / "cifar-10-batches-py" / "test_batch"
    whole = file.read_bytes()
    labels = pickled({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]})
    floats = pickled({b"data": np.zeros((1, 3072)), b"labels": [1]})
    for data, said in [
        (whole[: len(whole) // 2], "no pickle or a damaged one"),
        (b"", "no pickle or a damaged one"),
        (pickled([1, 2]), "holds a list"),
        (labels, "or as many labels"),
        (floats, "lacks uint8 pixels"),
    ]:
        file.write_bytes(data)
        with pytest.raises(EvaluationError, match=said):
            task_in(tmp_path).load("test")
    file.unlink()
    with pytest.raises(EvaluationError, match=r"has no file 'test_batch'\. Unpack"):
        task_in(tmp_path).load("test")


def test_a_damaged_archive_is_said(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "unpacked")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.add(
            tmp_path / "unpacked" / "cifar-10-batches-py" / "test_batch", "cifar-10-batches-py/test_batch"
        )
    file = tmp_path / "cifar-10-python.tar.gz"
    file.write_bytes(stream.getvalue())
    with pytest.raises(EvaluationError, match="has no file 'cifar-10-batches-py/data_batch_1'"):
        task_in(tmp_path).load("train")
    file.write_bytes(stream.getvalue()[:2000])
    with pytest.raises(EvaluationError, match="is damaged"):
        task_in(tmp_path).load("test")


def test_missing_files_are_answered_with_where_they_were_looked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"no file 'cifar-10-batches-py' .*nowhere \(no such folder\)"):
        task_in(tmp_path / "nowhere").load("train")
