"""The run directory: all that one run writes, held by one process at a time."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from automl_loss.errors import AutolossError, ResumeError
from automl_loss.search.atomic import writing

_LOCK = ".lock"
_OWNER = ".owner"


class RunDirectory:
    """A folder of one run; a context manager that holds its lock.

    Args:
        path: the folder, which exists.
        resumed: whether it holds an earlier run.

    Raises:
        ResumeError: another process holds it; the message gives its process id. A killed process holds nothing.
    """

    def __init__(self, path: Path, *, resumed: bool) -> None:
        self.path = path
        self.resumed = resumed
        self._lock = FileLock(path / _LOCK, timeout=0)

    @classmethod
    def create(cls, name: str, path: Path | None = None) -> RunDirectory:
        """A new folder: `path`, or `runs/<name>`, or `runs/<name>-2` and so on where that exists.

        Raises:
            AutolossError: `path` exists and is not empty, or cannot be made.
        """
        if path is not None:
            if path.is_file() or path.is_dir() and any(path.iterdir()):
                raise AutolossError(f"{path} exists and is not an empty folder; choose another, or go on with --resume.")
            with writing(path):
                path.mkdir(parents=True, exist_ok=True)
            return cls(path, resumed=False)
        base = Path("runs")
        with writing(base):
            base.mkdir(exist_ok=True)
        number = 1
        while True:
            free = base / (name if number == 1 else f"{name}-{number}")
            try:
                with writing(free):
                    free.mkdir()
            except AutolossError as error:
                if not isinstance(error.__cause__, FileExistsError):
                    raise
                number += 1
            else:
                return cls(free, resumed=False)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """The folder of an earlier run.

        Raises:
            ResumeError: there is no run in it.
        """
        if not (path / "recipe.yaml").is_file():
            raise ResumeError(f"{path} holds no run to go on with: it has no recipe.yaml. Start it without --resume.")
        return cls(path, resumed=True)

    def __enter__(self) -> Self:
        try:
            with writing(self.path):
                self._lock.acquire()
                (self.path / _OWNER).write_text(f"{os.getpid()} on {socket.gethostname()}\n")
        except (Timeout, AutolossError) as error:
            if isinstance(error, AutolossError) and not isinstance(error.__cause__, Timeout):
                raise
            raise ResumeError(
                f"{self.path} is in use by process {self._owner()}; wait for it to end, or choose another folder with -o."
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.path / _OWNER).unlink(missing_ok=True)
        self._lock.release()

    def _owner(self) -> str:
        try:
            return (self.path / _OWNER).read_text().strip()
        except OSError:
            return "unknown"

    @property
    def recipe(self) -> Path:
        """The resolved recipe, with versions and seed."""
        return self.path / "recipe.yaml"

    @property
    def journal(self) -> Path:
        """The ledger."""
        return self.path / "journal.log"

    @property
    def leaderboard(self) -> Path:
        """Best losses so far."""
        return self.path / "leaderboard.csv"

    @property
    def result(self) -> Path:
        """What came of the run."""
        return self.path / "result.json"

    @property
    def best_loss_json(self) -> Path:
        """The loss as data."""
        return self.path / "best_loss.json"

    @property
    def best_loss_py(self) -> Path:
        """The loss as a module that needs torch alone."""
        return self.path / "best_loss.py"

    @property
    def report(self) -> Path:
        """The report, one file."""
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        """Folder of figures."""
        return self.path / "figures"
