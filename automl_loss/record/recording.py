"""Bundle what search, final round and transfer need to compute chunks and to record them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.run_directory import RunPaths
from automl_loss.record.workers import Workers


def _nobody(phase: str, done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Recording:
    """The workers of a run and its records.

    Args:
        workers: compute chunks.
        records: what finished chunks gave.
        paths: files of the run directory, for what is too large for the records.
        chunk: most candidates or training runs in a chunk.
        report: called with a phase of the run, training runs done in it, and training runs in all.
    """

    workers: Workers
    records: ChunkRecords
    paths: RunPaths
    chunk: int
    report: Callable[[str, int, int], None] = _nobody
