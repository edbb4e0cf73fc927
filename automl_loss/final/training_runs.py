"""Training runs that belong to no generation: learning rates, finalists, retraining. Recorded chunk by chunk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from automl_loss.engine.engine import Engine
from automl_loss.engine.several_tasks import SeveralTasks
from automl_loss.engine.training.lane import Lane, Schedule, Trained, groups_of
from automl_loss.plugins.executor import Failure
from automl_loss.plugins.task import Split
from automl_loss.record.atomic import replace_file
from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.recorded_map import cut, recorded_map
from automl_loss.record.recording import Recording

Chunk = Sequence[Lane]


def digest(data: Any) -> str:
    """Short name of plain data."""
    return hashlib.blake2b(json.dumps(data, sort_keys=True).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class TrainingRuns:
    """Trains lanes on the workers of a run, and never the same chunk twice.

    Args:
        engine: trains.
        recording: where chunks are computed and kept.
        phase: of the run, under which progress is reported.
    """

    engine: Engine | SeveralTasks
    recording: Recording
    phase: str = ""

    def under(self, engine: Engine) -> TrainingRuns:
        """The same on another engine."""
        return replace(self, engine=engine)

    def during(self, phase: str) -> TrainingRuns:
        """The same in another phase of the run."""
        return replace(self, phase=phase)

    def schedule(self, steps: int) -> Schedule:
        """Whole runs of another length than partial training's, without rungs."""
        return replace(self.engine.schedule, steps=steps, rungs=())

    def train(
        self, stage: str, lanes: Sequence[Lane], schedule: Schedule, test: Split | None = None
    ) -> list[Trained]:
        """Results of the lanes, in order; chunks that are on record are not computed again.

        Lanes on equal rows share chunks.

        Args:
            stage: name of the stage in chunk records.
            lanes: what to train.
            schedule: of all lanes.
            test: rows to give raw outputs for.
        """
        places = [
            part
            for group in groups_of([lane.rows for lane in lanes])
            for part in cut(group, self.recording.chunk)
        ]
        chunks = [tuple(lanes[place] for place in part) for part in places]
        keyed = [(f"{stage}/{_name(chunk, schedule)}", chunk) for chunk in chunks]
        keeping = _LaneKeeping(
            self.recording.records, self.recording.paths.outputs, with_outputs=test is not None
        )
        found = recorded_map(
            self.recording.workers, partial(_train, self.engine, schedule, test), keyed, keeping
        )
        results: dict[int, Trained] = {}
        for part, trained in zip(places, found, strict=True):
            results |= dict(zip(part, trained, strict=True))
            if self.phase:
                self.recording.report(self.phase, len(results), len(lanes))
        return [results[place] for place in range(len(lanes))]


def _name(chunk: Chunk, schedule: Schedule) -> str:
    """Digest of all that the results of a chunk depend on and that may change when a run is resumed."""
    milestones = [list(schedule.milestones)] if schedule.milestones else []
    return digest([[lane.to_json() for lane in chunk], schedule.steps, *milestones])


def _train(
    engine: Engine | SeveralTasks, schedule: Schedule, test: Split | None, chunk: Chunk
) -> list[Trained]:
    """Stage: pure, runs in a worker."""
    return engine.train(chunk, schedule, test=test)


class _LaneKeeping:
    """Keeps numbers in the chunk records, and raw outputs on test rows in a file for each chunk.

    Args:
        records: chunk records.
        folder: for raw outputs.
        with_outputs: whether a chunk without its raw outputs is incomplete.
    """

    def __init__(self, records: ChunkRecords, folder: Path, *, with_outputs: bool) -> None:
        self._records = records
        self._folder = folder
        self._with_outputs = with_outputs

    def keep(self, key: str, chunk: Chunk, results: list[Trained]) -> list[Trained]:
        """See `Keeping.keep`."""
        if results[0].test_output is not None:
            arrays = {f"best_{i}": r.test_output for i, r in enumerate(results)}
            arrays |= {f"last_{i}": r.test_output_last for i, r in enumerate(results)}
            self._folder.mkdir(exist_ok=True)
            replace_file(self._file(key), lambda stream: np.savez_compressed(stream, **arrays))  # type: ignore[arg-type]
        self._records.remember(key, [_to_json(result) for result in results])
        return results

    def find(self, key: str, chunk: Chunk) -> list[Trained] | None:
        """See `Keeping.find`."""
        stored = self._records.recall(key)
        if stored is None:
            return None
        results = [_from_json(item) for item in stored]
        if not self._with_outputs:
            return results
        file = self._file(key)
        if not file.exists():
            return None
        with np.load(file) as arrays:
            return [
                replace(result, test_output=arrays[f"best_{i}"], test_output_last=arrays[f"last_{i}"])
                for i, result in enumerate(results)
            ]

    def fault(self, failure: Failure) -> BaseException:
        """See `Keeping.fault`."""
        return failure.error

    def _file(self, key: str) -> Path:
        return self._folder / f"{key.replace('/', '-')}.npz"


_PLAIN = ("fitness", "last", "best_step", "rungs", "curve", "steps", "seconds")


def _to_json(result: Trained) -> dict[str, Any]:
    return {name: getattr(result, name) for name in _PLAIN}


def _from_json(data: dict[str, Any]) -> Trained:
    return Trained(**{**data, "rungs": tuple(data["rungs"]), "curve": tuple(data["curve"])})
