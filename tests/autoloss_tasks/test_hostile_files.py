"""Files whose headers lie about sizes, that unpack without end, or that hold objects: refused, in little memory."""

from __future__ import annotations

import gzip
import io
import pickle
import resource
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from support.cifar import cifar_batch

from autoloss_tasks._pickled_batch import PickledArray, read_batch
from autoloss_tasks.cifar import Cifar10
from autoloss_tasks.mnist import Mnist
from autoloss_tasks.svhn import Svhn
from autoloss_tasks.table import Table
from automl_loss import DataError

GROWTH = 300 * 2**10  # KiB


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH


def table(path: Path, target: str = "y") -> Table:
    return Table(Table.Config(file=str(path), target=target))


def npy(shape: str, descr: str = "'<f8'", data: bytes = b"") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy("(1000000000000,)"), "has 8,000,000,000,000 bytes, and 0 are there"),
        (npy("(4,)", data=bytes(31)), "has 32 bytes, and 31 are there"),
        (npy("(-4,)", data=bytes(32)), "impossible shape"),
        (npy("(2, 3, 4)", data=bytes(192)), "one or two dimensions"),
        (npy("(1, 200000)", "'|u1'", bytes(200000)), "at most 100,000 columns"),
        (npy("(9999999999,)", "'<U0'"), "numbers and text are read"),
        (npy("(1,)", "[('a', '<f8')]", bytes(8)), "numbers and text are read"),
        (
            npy("(1,)", "'|O'", pickle.dumps([1])),
            r"holds Python objects, which are never read \(allow_pickle=False\)",
        ),
        (npy("(4,)", "__import__('os').system('touch ran')", bytes(32)), "cannot be read as npz"),
        (b"\x93NUMPY\x09\x00", r"version \(9, 0\) of NumPy's format"),
        (b"", "cannot be read as npz"),
    ],
)
def test_an_array_s_header_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("y.npy", content)
    with pytest.raises(DataError, match=said) as raised:
        table(tmp_path / "a.npz").problem()
    assert str(tmp_path / "a.npz") in str(raised.value)
    assert not (tmp_path / "ran").exists()


def test_an_archive_that_says_more_than_it_can_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, y=np.arange(30.0))
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(signature) + place
        data[start : start + 4] = struct.pack("<I", 2**31)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"cannot be read as npz: its header says .* cannot hold"):
        table(path).problem()


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    """One deflated member that a thousand entries of the directory name."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("y.npy", npy("(1000000,)", data=np.random.default_rng(0).bytes(8_000_000)))
        for index in range(1000):
            info = zipfile.ZipInfo(f"y{index}.npy")
            first = archive.infolist()[0]
            for name in ("compress_type", "compress_size", "file_size", "CRC", "header_offset", "flag_bits"):
                setattr(info, name, getattr(first, name))
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
        archive._didModify = True
    with pytest.raises(DataError, match=r"its arrays take [\d,]+ bytes of a file of"):
        table(path).problem()


@pytest.mark.parametrize("packed", [True, False])
def test_an_idx_file_that_says_more_than_it_holds_is_refused(tmp_path: Path, packed: bool) -> None:
    data = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 28, 28) + bytes(5000)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(DataError, match=r"its header says 1,683,627,180,032 bytes"):
        Mnist(Mnist.Config(folder=str(tmp_path))).load("train")


def endless(path: Path, head: bytes) -> None:
    """A gzip file of a few hundred KiB that unpacks to 400 MB of zeros."""
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as file:
        file.write(packer.compress(head))
        for _ in range(400):
            file.write(packer.compress(bytes(10**6)))
        file.write(packer.flush())


def test_what_unpacks_to_more_than_its_header_says_is_read_no_further(tmp_path: Path) -> None:
    endless(tmp_path / "train-images-idx3-ubyte", bytes([0, 0, 8, 3]) + struct.pack(">3I", 10, 28, 28))
    with pytest.raises(DataError, match=r"its header says 7,840 bytes of shape .*, it has more"):
        Mnist(Mnist.Config(folder=str(tmp_path))).load("train")


def test_a_table_that_unpacks_to_more_than_the_machine_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoloss_tasks._reading.parsing_memory", lambda: 50 * 2**20)
    endless(tmp_path / "a.csv.gz", b"x,y\n1,2\n")
    with pytest.raises(
        DataError, match=r"a\.csv\.gz cannot be read as csv: it holds 0\.0 GiB, and a file may take"
    ):
        table(tmp_path / "a.csv.gz").problem()


@pytest.mark.parametrize("start", [b"\x28\xb5\x2f\xfd", b"\x78\x9c", b"BZh9", b"\xfd7zXZ\x00", b"PK\x03\x04"])
def test_a_table_packed_in_another_way_is_refused(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(start + b"x,y\n1,2\n")
    with pytest.raises(DataError, match=r"it is packed by .*; unpack it, or pack it by gzip"):
        table(tmp_path / "a.csv").problem()


def test_an_archive_whose_members_say_more_than_it_can_hold_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        member.size = 2**40
        archive.addfile(member)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(gzip.compress(stream.getvalue()))
    with pytest.raises(DataError, match="is damaged: its header says 1,099,511,627,776 bytes"):
        Cifar10(Cifar10.Config(folder=str(tmp_path))).load("test")


@pytest.mark.parametrize(
    "opcodes",
    [
        b"\x80\x02Nr\xff\xff\xff\xff.",  # remember an object at place 4,294,967,295
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes of 8 exbibytes
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n(K\x01J\xff\xff\xff\x7ftU\x01b\x87R.",
        b"\x80\x02cnumpy\ndtype\n(U\x02V8K\0K\x01tR(K\x03U\x01|N}U\x01aK\x01s}K\x01K\x01K\0tb.",
        b"(" * 100_000,
        b"\x80\x02cnumpy\ndtype\n}U\x04specK\x01sb.",
    ],
)
def test_numbers_in_a_pickle_take_no_memory_and_make_no_array(opcodes: bytes) -> None:
    with pytest.raises(DataError, match=r"batch (is no pickle or a damaged one|holds a )"):
        read_batch(opcodes, "batch")


def test_an_array_in_a_pickle_is_as_large_as_it_says_or_none() -> None:
    array = PickledArray()
    for shape, data in (((2, 3), b"123456"), ((-1,), b""), ((2**40,), b"1")):
        state = (1, shape, None, False, data)
        array.__setstate__(state)
        assert array.of_bytes() is None


def test_labels_of_any_size_are_refused(tmp_path: Path) -> None:
    data = cifar_batch(10).replace(b"](K\0K\x01", b"](K\0\x8a\x09" + b"\xff" * 8 + b"\x7f")
    (tmp_path / "test_batch").write_bytes(data)
    with pytest.raises(DataError, match="from 0 to 9"):
        Cifar10(Cifar10.Config(folder=str(tmp_path))).load("test")


def test_a_published_file_is_read_here_and_another_in_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    from autoloss_tasks import svhn
    from autoloss_tasks._files import Remote

    path = tmp_path / "test_32x32.mat"
    savemat(path, {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.arange(1, 5)})
    children: list[str] = []
    real = svhn.parse_in_child

    def watched(function: str, *arguments: object, **options: object) -> object:
        children.append(function)
        return real(function, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(svhn, "parse_in_child", watched)
    task = Svhn(Svhn.Config(folder=str(tmp_path)))
    other = task.load("test")
    known = Remote(Svhn.remotes["test"].url, f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}")
    monkeypatch.setattr(Svhn, "remotes", {"test": known})
    published = task.load("test")
    assert children == ["autoloss_tasks._mat_file:arrays"]
    assert all(np.array_equal(one, two) for one, two in zip(other, published, strict=True))
