"""Damaged data files of every format: each is read, or refused by an error that names it, in little time and memory.

`AUTOLOSS_FUZZ=20000 pytest tests/fuzz/test_data_files.py -m slow` damages each format so often.
"""

from __future__ import annotations

import gzip
import io
import os
import resource
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from scipy.io import savemat
from support.cifar import cifar_batch
from support.damage import damaged
from support.fork_server import ForkServer
from support.idx import idx_bytes

from autoloss_tasks.cifar import Cifar10
from autoloss_tasks.housing import Boston, California
from autoloss_tasks.mnist import Mnist
from autoloss_tasks.svhn import Svhn
from autoloss_tasks.table import Table
from automl_loss import AutolossError, Task
from automl_loss.plugins import child_process

FEW = 60
FEW_IN_A_CHILD = 3
MANY = int(os.environ.get("AUTOLOSS_FUZZ", "300"))
SEED = int(os.environ.get("AUTOLOSS_FUZZ_SEED", "0"))
MEMORY = 2**30
SECONDS = 60.0
"""A read takes milliseconds; so long only on a machine that does much else."""

RNG = np.random.default_rng(7)
ROWS = 90


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Args:
        write: puts sound files into a folder, and returns the one to damage.
        task: the task that reads them.
        in_child: whether it is read in a child process.
    """

    write: Callable[[Path], Path]
    task: Callable[[Path], Task]
    in_child: bool = False


def frame() -> polars.DataFrame:
    return polars.DataFrame(
        {
            "size": RNG.normal(50, 9, ROWS),
            "count": RNG.integers(0, 9, ROWS),
            "colour": [["red", "green", "blue", None][i % 4] for i in range(ROWS)],
            "kind": [["cat", "dog"][i % 2] for i in range(ROWS)],
        }
    )


def table(name: str, write: Callable[[Path], Any], target: str = "kind") -> Format:
    def written(folder: Path) -> Path:
        write(folder / name)
        return folder / name

    def task(folder: Path) -> Task:
        return Table(Table.Config(file=str(folder / name), target=target))

    return Format(written, task, in_child=name.endswith("parquet"))


def npz(packed: bool) -> Callable[[Path], None]:
    save = np.savez_compressed if packed else np.savez
    return lambda path: save(path, x=RNG.normal(size=(ROWS, 3)), y=np.arange(ROWS) % 3)


def images(packed: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        for part in ("train", "t10k"):
            pixels = idx_bytes(RNG.integers(0, 256, (100, 28, 28), dtype=np.uint8))
            labels = idx_bytes(np.arange(100) % 10)
            for name, data in (("images-idx3", pixels), ("labels-idx1", labels)):
                (folder / f"{part}-{name}-ubyte").write_bytes(gzip.compress(data) if packed else data)
        return folder / f"train-{RNG.choice(['images-idx3', 'labels-idx1'])}-ubyte"

    return write


def cifar(folder: Path) -> Path:
    place = folder / "cifar-10-batches-py"
    place.mkdir(exist_ok=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (place / name).write_bytes(cifar_batch(20))
    return place / "data_batch_2"


def archive(path: Path, name: str, data: bytes) -> None:
    with tarfile.open(path, "w:gz") as packed:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        packed.addfile(member, io.BytesIO(data))


def cifar_archive(folder: Path) -> Path:
    path = folder / "cifar-10-python.tar.gz"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as packed:
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            data = cifar_batch(20)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    # Stored, not deflated, so that damage reaches the headers of the archive.
    path.write_bytes(gzip.compress(stream.getvalue(), compresslevel=0))
    return path


def mat(packed: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        for part in ("train", "test"):
            pixels = RNG.integers(0, 256, (32, 32, 3, 100), dtype=np.uint8)
            labels = (np.arange(100) % 10 + 1).astype(np.uint8)[:, None]
            held = {"X": pixels, "y": labels}
            savemat(folder / f"{part}_32x32.mat", held, do_compression=packed)
        return folder / "train_32x32.mat"

    return write


def california(packed: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        rows = RNG.uniform(1, 9, (ROWS, 9))
        text = "\n".join(",".join(f"{value:.4f}" for value in row) for row in rows).encode()
        if packed:
            archive(folder / "cal_housing.tgz", "CaliforniaHousing/cal_housing.data", text)
            return folder / "cal_housing.tgz"
        (folder / "cal_housing.data").write_bytes(text)
        return folder / "cal_housing.data"

    return write


def boston(folder: Path) -> Path:
    np.savez(folder / "boston_housing.npz", x=RNG.normal(size=(ROWS, 13)), y=RNG.normal(size=ROWS))
    return folder / "boston_housing.npz"


def of(task: Any) -> Callable[[Path], Task]:
    return lambda folder: task(task.Config(folder=str(folder)))


FORMATS = {
    "csv": table("a.csv", lambda path: frame().write_csv(path)),
    "csv.gz": table("a.csv.gz", lambda path: path.write_bytes(gzip.compress(frame().write_csv().encode()))),
    "parquet": table("a.parquet", lambda path: frame().write_parquet(path)),
    "parquet-plain": table("a.parquet", lambda path: frame().write_parquet(path, compression="uncompressed")),
    "npz": table("a.npz", npz(False), "y"),
    "npz-packed": table("a.npz", npz(True), "y"),
    "idx": Format(images(False), of(Mnist)),
    "idx.gz": Format(images(True), of(Mnist)),
    "cifar": Format(cifar, of(Cifar10)),
    "cifar.tar.gz": Format(cifar_archive, of(Cifar10)),
    "mat": Format(mat(False), of(Svhn), in_child=True),
    "mat-packed": Format(mat(True), of(Svhn), in_child=True),
    "california": Format(california(False), of(California)),
    "california.tgz": Format(california(True), of(California)),
    "boston": Format(boston, of(Boston)),
}


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("automl_loss.plugins.child_process", "autoloss_tasks._reading"):
        monkeypatch.setattr(f"{module}.parsing_memory", lambda: MEMORY)


def read(task: Task) -> None:
    task.problem()
    task.splits(0)
    task.test(0)
    task.notices()


def attack(name: str, folder: Path, count: int) -> None:
    """Damage a file so often, and read it each time."""
    kind = FORMATS[name]
    file = kind.write(folder)
    read(kind.task(folder))  # sound, it is read
    sound, refused, ended = file.read_bytes(), 0, 0
    rng = np.random.default_rng([SEED, *name.encode()])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        data = damaged(sound, rng)
        file.write_bytes(data)
        started = time.monotonic()
        said = ""
        try:
            read(kind.task(folder))
        except AutolossError as error:
            said = f"{error.exit_code}: {error}"
        except BaseException as error:
            kept = folder / f"failed-{number}"
            kept.write_bytes(data)
            raise AssertionError(
                f"{name}, number {number}, kept as {kept}: {type(error).__name__}: {error}"
            ) from error
        assert time.monotonic() - started < SECONDS, f"{name} {number}"
        assert not said or (said.startswith("2: ") and len(said) < 3000), f"{name} {number}: {said}"
        refused += bool(said)
        ended += "ended the process" in said
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{name}: {count:,} damaged, {refused:,} refused, {ended:,} ended a child, {grown:.0f} MiB more memory"
    )
    assert grown < 1.5 * MEMORY / 2**20
    assert refused or count < 10


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_or_refused_by_name(name: str, tmp_path: Path) -> None:
    attack(name, tmp_path, FEW_IN_A_CHILD if FORMATS[name].in_child else FEW)


@pytest.fixture
def _forked_children(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ForkServer()
    monkeypatch.setattr(child_process.subprocess, "run", server.run)
    yield
    server.close()


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("_forked_children")
@pytest.mark.parametrize("name", FORMATS)
def test_many_damaged_files_are_read_or_refused_by_name(name: str, tmp_path: Path) -> None:
    attack(name, tmp_path, MANY)
