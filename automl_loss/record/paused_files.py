"""Training runs that wait between the stages of a race, in files of the run directory.

They never pass through the ledger. In this process an outcome holds a handle on its runs; sent to another process it
takes the runs themselves along, so that an executor needs no file system in common with this one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np

from automl_loss.plugins.outcome import Outcome
from automl_loss.record.array_files import read_arrays, write_arrays
from automl_loss.record.atomic import writing


class PausedFiles:
    """One file a chunk, for as long as a generation lasts.

    Args:
        folder: made when the first file is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, key: str, outcomes: Sequence[Outcome]) -> tuple[list[Outcome], str]:
        """Write a chunk's paused runs durably; returns the outcomes with handles on them, and the file's digest.

        Raises:
            AutolossError: the file cannot be written.
        """
        arrays = {
            _name(outcome.id, k): np.frombuffer(run, dtype=np.uint8)
            for outcome in outcomes
            for k, run in enumerate(outcome.paused)
        }
        file = self._file(key)
        with writing(self._folder):
            self._folder.mkdir(exist_ok=True)
        digest = write_arrays(file, arrays)
        counts = {outcome.id: len(outcome.paused) for outcome in outcomes}
        return self._attach(file, outcomes, counts), digest

    def find(self, key: str, outcomes: Sequence[Outcome], digest: str | None) -> list[Outcome] | None:
        """The outcomes of a chunk with handles on their paused runs; `None` when these are gone or damaged."""
        file = self._file(key)
        arrays = read_arrays(file, digest)
        if arrays is None:
            return None
        owners = [int(name.split("_")[0]) for name in arrays]
        return self._attach(file, outcomes, {outcome.id: owners.count(outcome.id) for outcome in outcomes})

    def clear(self) -> None:
        """Remove all files: the generation they belong to is recorded."""
        with writing(self._folder):
            if self._folder.exists():
                shutil.rmtree(self._folder)

    def _attach(self, file: Path, outcomes: Sequence[Outcome], counts: dict[int, int]) -> list[Outcome]:
        return [
            replace(outcome, paused=_Stored(file, outcome.id, counts[outcome.id])) for outcome in outcomes
        ]

    def _file(self, key: str) -> Path:
        return self._folder / f"{key.replace('/', '-')}.npz"


class _Stored(Sequence[bytes]):
    """Paused runs of one candidate, read when they are asked for; pickles as the runs themselves."""

    def __init__(self, file: Path, owner: int, count: int) -> None:
        self._file = file
        self._owner = owner
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        chosen = range(self._count)[index]
        with np.load(self._file) as arrays:
            if isinstance(chosen, int):
                return bytes(arrays[_name(self._owner, chosen)])
            return [bytes(arrays[_name(self._owner, k)]) for k in chosen]

    def __reduce__(self) -> tuple[Callable[[list[bytes]], tuple[bytes, ...]], tuple[list[bytes]]]:
        return tuple, (self[:],)


def _name(owner: int, place: int) -> str:
    return f"{owner}_{place}"
