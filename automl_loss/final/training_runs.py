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
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import task_loss
from automl_loss.plugins.executor import Failure
from automl_loss.plugins.task import Split
from automl_loss.record.array_files import FILE_KEY, read_arrays, write_arrays
from automl_loss.record.atomic import writing
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
        keeping = _LaneKeeping(self.recording, task_loss(self.engine.problem), with_outputs=test is not None)
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
        recording: where numbers and raw outputs are kept.
        usual: the task loss, to put in the place of a loss that hangs.
        with_outputs: whether a chunk without its raw outputs is incomplete.
    """

    def __init__(self, recording: Recording, usual: Loss, *, with_outputs: bool) -> None:
        self._records = recording.records
        self._folder = recording.paths.outputs
        self._usual = usual
        self._with_outputs = with_outputs

    def keep(self, key: str, chunk: Chunk, results: list[Trained]) -> list[Trained]:
        """See `Keeping.keep`."""
        if results[0].test_output is not None:
            arrays: dict[str, Any] = {f"best_{i}": r.test_output for i, r in enumerate(results)}
            arrays |= {f"last_{i}": r.test_output_last for i, r in enumerate(results)}
            with writing(self._folder):
                self._folder.mkdir(exist_ok=True)
            digest = write_arrays(self._file(key), arrays, compressed=True)
            self._records.remember(_file_key(key), digest)
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
        arrays = read_arrays(self._file(key), self._records.recall(_file_key(key)))
        if arrays is None or len(arrays) != 2 * len(results):
            return None
        return [
            replace(result, test_output=arrays[f"best_{i}"], test_output_last=arrays[f"last_{i}"])
            for i, result in enumerate(results)
        ]

    def fault(self, failure: Failure) -> BaseException:
        """See `Keeping.fault`."""
        return failure.error

    def harmless(self, item: Lane) -> Lane:
        """See `Keeping.harmless`."""
        return replace(item, loss=self._usual)

    def blamed(self, item: Lane, standing_in: Trained, failure: Failure) -> Trained:
        """See `Keeping.blamed`: as a run that diverged at once."""
        nothing = None if standing_in.test_output is None else np.full_like(standing_in.test_output, np.nan)
        return replace(
            standing_in,
            fitness=None,
            last=None,
            best_step=0,
            rungs=(),
            curve=(),
            steps=0,
            test_output=nothing,
            test_output_last=nothing,
        )

    def _file(self, key: str) -> Path:
        return self._folder / f"{key.replace('/', '-')}.npz"


def _file_key(key: str) -> str:
    """Key of the digest of a chunk's file of raw outputs."""
    return f"{key}{FILE_KEY}"


_PLAIN = ("fitness", "last", "best_step", "rungs", "curve", "steps", "seconds")


def _to_json(result: Trained) -> dict[str, Any]:
    return {name: getattr(result, name) for name in _PLAIN}


def _from_json(data: dict[str, Any]) -> Trained:
    return Trained(**{**data, "rungs": tuple(data["rungs"]), "curve": tuple(data["curve"])})
