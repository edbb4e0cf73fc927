"""The run directory: where everything that one run writes lies, held by one process at a time."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from automl_loss.errors import RecipeError, ResumeError
from automl_loss.record.atomic import remnants, writing

RUNS = Path("runs")
"""Where run directories lie unless the user says otherwise."""

CELLS = "cells"
"""Folder of a comparison's directory that holds a run directory for each cell."""
CELL = "cell.json"
"""What came of a cell, in its run directory."""

_LOCK = ".lock"
_RECIPE = "recipe.yaml"


class RunPaths:
    """Where the files of a run lie in its directory.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def recipe(self) -> Path:
        """The resolved recipe, with versions and seed."""
        return self.path / _RECIPE

    @property
    def journal(self) -> Path:
        """The ledger."""
        return self.path / "journal.log"

    @property
    def chunks(self) -> Path:
        """Chunk records."""
        return self.path / "chunks.log"

    @property
    def leaderboard(self) -> Path:
        """The best losses so far."""
        return self.path / "leaderboard.csv"

    @property
    def result(self) -> Path:
        """The result."""
        return self.path / "result.json"

    @property
    def best_loss_json(self) -> Path:
        """The loss that the run returns, as data."""
        return self.path / "best_loss.json"

    @property
    def best_loss_py(self) -> Path:
        """The loss that the run returns, as a module that needs only torch."""
        return self.path / "best_loss.py"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        """Folder of the report's figures."""
        return self.path / "figures"

    @property
    def paused(self) -> Path:
        """Folder of training runs that wait between the legs of a race."""
        return self.path / "paused"

    @property
    def outputs(self) -> Path:
        """Folder of raw outputs on test rows, by chunk."""
        return self.path / "retraining"

    @property
    def landscape(self) -> Path:
        """Folder of loss landscapes."""
        return self.path / "landscape"

    @property
    def transfer(self) -> Path:
        """Folder of transfer to other tasks and models."""
        return self.path / "transfer"


class RunDirectory(RunPaths):
    """Paths of one run, and its lock, which this process holds until `close` or its end, however it ends.

    Make one with `create` or `open`; use it in a `with` statement.

    Args:
        path: the directory, which exists.
        resumed: whether a run was started in it before.

    Raises:
        ResumeError: another process holds the directory.
    """

    def __init__(self, path: Path, *, resumed: bool) -> None:
        super().__init__(path)
        self.resumed = resumed
        self._lock = _acquire(path)
        with writing(path):
            for each in remnants(path):
                each.unlink()

    @classmethod
    def create(cls, name: str, directory: Path | None = None, base: Path = RUNS) -> Self:
        """A directory for a new run; nothing that exists is ever overwritten.

        Args:
            name: of the run: the directory is `base/name`, or `base/name-2` and so on where that exists.
            directory: this very directory instead, absent or empty.
            base: where run directories lie.

        Raises:
            RecipeError: `directory` is not empty.
            AutolossError: the directory cannot be made.
            ResumeError: another process has just started a run in `directory`.
        """
        if directory is None:
            return cls(_make_new(base, name), resumed=False)
        with writing(directory):
            directory.mkdir(parents=True, exist_ok=True)
            others = _others(directory)
        if others:
            raise RecipeError(
                f"-o {directory}: the directory is not empty "
                f"({', '.join(others[:3])}{', ...' if others[3:] else ''}). "
                f"Name an empty or a new one, or go on with the run in it by --resume."
            )
        return cls(directory, resumed=False)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The directory of a run that was started before.

        One that was made for a run and holds nothing yet, since the run was killed before its first file was whole, is
        begun anew.

        Raises:
            ResumeError: there is no run in it, or another process holds it.
        """
        if not path.is_dir():
            what = "is a file" if path.exists() else "does not exist"
            raise ResumeError(
                f"{path}: the directory to resume {what}. Leave out --resume to start a new run."
            )
        if not (path / _RECIPE).is_file():
            if any(path.iterdir()) and not _others(path):
                return cls(path, resumed=False)
            raise ResumeError(
                f"{path}: there is no run to resume here: it has no {_RECIPE}. "
                f"Name a run directory, or leave out --resume to start a new run."
            )
        return cls(path, resumed=True)

    def close(self) -> None:
        """Give the directory back."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _others(path: Path) -> list[str]:
    """Names of what lies in a directory beside the lock and what a killed process left half written."""
    ours = {_LOCK, *(entry.name for entry in remnants(path))}
    return sorted(entry.name for entry in path.iterdir() if entry.name not in ours)


def _make_new(base: Path, name: str) -> Path:
    """Make `base/name`, or the first of `base/name-2`, `base/name-3`, ... that does not exist."""
    number = 1
    while True:
        path = base / (name if number == 1 else f"{name}-{number}")
        with writing(path):
            base.mkdir(parents=True, exist_ok=True)
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
                continue
        return path


def _acquire(path: Path) -> FileLock:
    """Lock a directory; the system releases the lock of a process that dies."""
    file = path / _LOCK
    lock = FileLock(file, blocking=False, thread_local=False)
    with writing(file):
        try:
            lock.acquire()
        except Timeout:
            raise ResumeError(
                f"{path}: {_holder(file)} is at work in this run directory. "
                f"Wait until it is done, stop it, or start a run of your own in another directory."
            ) from None
        file.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
    return lock


def _holder(file: Path) -> str:
    """Who holds the lock, as far as its file tells."""
    try:
        holder = json.loads(file.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        # Between taking the lock and writing its file, or on a system that lets no one read a locked file.
        return "another process"
