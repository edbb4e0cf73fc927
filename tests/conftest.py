from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _without_reports() -> Iterator[None]:
    """Whole runs draw no report: it takes longer than a tiny run, and has tests of its own, which ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOLOSS_REPORT", "0")
        yield


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory at a folder."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    with mounted(tmp_path / "disk", "size=64k") as folder:
        yield folder


@pytest.fixture
def few_inodes(tmp_path: Path) -> Iterator[Path]:
    """A file system that holds four files and folders."""
    with mounted(tmp_path / "inodes", "nr_inodes=5") as folder:
        yield folder
