from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from automl_loss.errors import AutolossError
from automl_loss.record.atomic import replace_file, replace_text, writing
from automl_loss.record.run_directory import RunDirectory


def test_a_file_is_made_and_then_replaced(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    replace_text(file, "one, a longer text")
    replace_text(file, "zwei: \N{LATIN SMALL LETTER A WITH DIAERESIS}")
    assert file.read_bytes() == "zwei: ä".encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_replaced_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    replace_text(tmp_path / "replaced", "text")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "replaced")}
    assert len(modes) == 1


def test_a_reader_that_has_the_old_file_open_goes_on_reading_it(tmp_path: Path) -> None:
    file = tmp_path / "leaderboard.csv"
    replace_text(file, "old" * 1000)
    with file.open() as reader:
        start = reader.read(1)
        replace_text(file, "new")
        assert start + reader.read() == "old" * 1000


def test_a_reader_sees_the_old_or_the_new_file_and_never_half_of_one(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    texts = [letter * 200_000 for letter in "ab"]
    replace_text(file, texts[0])
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(file.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 60):
        replace_text(file, texts[number % 2])
    done.set()
    reader.join()
    assert seen
    assert seen <= set(texts)


def test_a_process_killed_in_mid_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    replace_text(file, "old")
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from automl_loss.record.atomic import replace_file\n"
        "def write(stream):\n"
        "    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "replace_file(Path(sys.argv[1]), write)\n"
    )
    code = subprocess.run([sys.executable, "-c", script, str(file)], check=False, timeout=60).returncode
    assert code == -signal.SIGKILL
    assert file.read_text() == "old"


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "best_loss.json"
    replace_text(file, "old")

    def fail(stream: BinaryIO) -> None:
        stream.write(b"half of the new")
        raise RuntimeError("the writer's own fault")

    with pytest.raises(RuntimeError, match="the writer's own fault"):
        replace_file(file, fail)
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["best_loss.json"]


def test_content_is_on_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, seen = tmp_path / "result.json", []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(file.exists()), real(fd)))
    replace_text(file, "text")
    assert seen == [False, True]  # the content beside, then the folder with the new name


def test_a_full_disk_is_explained_and_keeps_the_old_file(small_disk: Path) -> None:
    file = small_disk / "result.json"
    replace_text(file, "old")
    with pytest.raises(AutolossError, match=r"result\.json: .*disk is full.*--resume"):
        replace_text(file, "x" * 200_000)
    assert file.read_text() == "old"
    assert [entry.name for entry in small_disk.iterdir()] == ["result.json"]


def test_a_full_device_is_explained() -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("needs /dev/full")
    with pytest.raises(AutolossError, match="disk is full"), writing(device):
        device.write_bytes(b"x")


def test_a_folder_in_the_place_of_the_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "result.json").mkdir()
    with pytest.raises(AutolossError, match=r"result\.json: .*folder where a file is to be written"):
        replace_text(tmp_path / "result.json", "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_file_in_the_place_of_the_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(AutolossError, match=r"a part of its path is a file.*-o DIR"):
        replace_text(tmp_path / "runs" / "result.json", "text")


def test_a_removed_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(AutolossError, match="folder does not exist"):
        replace_text(tmp_path / "gone" / "result.json", "text")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EACCES, "permission denied. Choose another folder with `-o DIR`"),
        (errno.EPERM, "permission denied. Choose another folder with `-o DIR`"),
        (errno.EROFS, "read-only. Choose another folder with `-o DIR`"),
        (errno.EDQUOT, "quota is used up. Free some space"),
        (errno.EIO, "Check the disk"),
        (errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)),
    ],
)
def test_every_error_names_the_path_and_the_remedy(code: int, words: str) -> None:
    with pytest.raises(AutolossError) as caught, writing(Path("runs/mine")):
        raise OSError(code, os.strerror(code))
    assert str(caught.value).startswith("runs/mine: cannot be written: ") or os.sep != "/"
    assert words in str(caught.value)
    assert caught.value.exit_code == 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_an_output_folder_where_none_can_be_made_is_explained() -> None:
    with pytest.raises(AutolossError, match=r"^/proc/automl-loss: .*-o DIR"):
        RunDirectory.create("digits", Path("/proc/automl-loss"))


def test_what_a_killed_process_left_of_a_file_goes_when_the_file_is_written_again(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        ended.wait()
    alive, dead = tmp_path / f".result.json.{os.getppid()}.tmp", tmp_path / f".result.json.{ended.pid}.tmp"
    other = tmp_path / f".other.json.{ended.pid}.tmp"
    for file in (alive, dead, other):
        file.write_text("half")
    replace_text(tmp_path / "result.json", "whole")
    assert (alive.exists(), dead.exists(), other.exists()) == (True, False, True)
    assert (tmp_path / "result.json").read_text() == "whole"
