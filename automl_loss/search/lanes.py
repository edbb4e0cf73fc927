"""Training runs that belong to no generation: learning rates, finalists, retraining.

They are recorded chunk by chunk, as the search's are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from automl_loss.engine.engine import Engine
from automl_loss.engine.training import Trained
from automl_loss.losses.base import Loss
from automl_loss.plugins.executor import Executor
from automl_loss.plugins.task import Split
from automl_loss.search.atomic import replace_file

Item = TypeVar("Item")


class Memory(Protocol):
    """What the ledger offers for chunk records."""

    def remember(self, key: str, value: Any) -> None:
        """Record a value durably."""

    def recall(self, key: str) -> Any:
        """The recorded value, or `None`."""


@dataclass(frozen=True)
class Lane:
    """One training run: a loss at a learning rate on a seed."""

    loss: Loss
    lr: float
    seed: int

    def to_json(self) -> list[Any]:
        """Plain data that identifies the run."""
        return [self.loss.to_json(), self.lr, self.seed]


def cut(items: Sequence[Item], size: int) -> list[tuple[Item, ...]]:
    """Cut a sequence, in order, into chunks of at most `size`, as even as can be.

    Their number is even where that can be, so that the two cores of a small machine share the work; it
    depends on nothing but the lengths, since a chunk's composition decides its last bits.
    """
    count = -(-len(items) // size)
    count = min(len(items), count + count % 2)
    bounds = [round(k * len(items) / count) for k in range(count + 1)] if count else []
    return [tuple(items[a:b]) for a, b in pairwise(bounds)]


def digest(data: Any) -> str:
    """Short name of plain data."""
    return hashlib.blake2b(json.dumps(data, sort_keys=True).encode(), digest_size=8).hexdigest()


class LaneTrainer:
    """Trains lanes on an executor, and never the same chunk twice.

    Args:
        engine: trains.
        executor: where.
        memory: chunk records of the run.
        chunk: lanes per chunk.
        folder: where raw outputs on test rows are kept, one file a chunk.
    """

    def __init__(self, engine: Engine, executor: Executor, memory: Memory, chunk: int, folder: Path) -> None:
        self.engine = engine
        self._executor = executor
        self._memory = memory
        self._chunk = chunk
        self._folder = folder

    def under(self, engine: Engine) -> LaneTrainer:
        """A trainer of the same run on another engine."""
        return LaneTrainer(engine, self._executor, self._memory, self._chunk, self._folder)

    def train(
        self,
        stage: str,
        lanes: Sequence[Lane],
        steps: int,
        test: Split | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Trained]:
        """Results of the lanes, in order; chunks that the ledger holds are not computed again.

        Args:
            stage: name of the stage in chunk records.
            lanes: what to train.
            steps: length of each run.
            test: rows to give raw outputs for.
            progress: called with (lanes done, lanes in all) after each chunk.
        """
        chunks = cut(lanes, self._chunk)
        # What else a run depends on may not change when it is resumed.
        schedule = list(self.engine.training.milestones)
        keys = [
            f"{stage}/{digest([[lane.to_json() for lane in chunk], steps, *([schedule] if schedule else [])])}"
            for chunk in chunks
        ]
        known = [self._recall(key, test is not None) for key in keys]
        missing = [chunk for chunk, found in zip(chunks, known, strict=True) if found is None]
        fresh: Iterator[list[Trained]] = self._executor.map(
            partial(_train, self.engine, steps, test), missing
        )
        results: list[Trained] = []
        for key, found in zip(keys, known, strict=True):
            if found is None:
                found = next(fresh)
                self._record(key, found)
            results += found
            if progress is not None:
                progress(len(results), len(lanes))
        return results

    def _record(self, key: str, results: Sequence[Trained]) -> None:
        if results[0].test_output is not None:
            arrays = {f"best_{i}": r.test_output for i, r in enumerate(results)}
            arrays |= {f"last_{i}": r.test_output_last for i, r in enumerate(results)}
            self._folder.mkdir(exist_ok=True)
            replace_file(self._file(key), lambda stream: np.savez_compressed(stream, **arrays))  # type: ignore[arg-type]
        self._memory.remember(key, [_to_json(result) for result in results])

    def _recall(self, key: str, with_outputs: bool) -> list[Trained] | None:
        stored = self._memory.recall(key)
        if stored is None:
            return None
        results = [_from_json(item) for item in stored]
        if not with_outputs:
            return results
        file = self._file(key)
        if not file.exists():
            return None
        with np.load(file) as arrays:
            return [
                replace(result, test_output=arrays[f"best_{i}"], test_output_last=arrays[f"last_{i}"])
                for i, result in enumerate(results)
            ]

    def _file(self, key: str) -> Path:
        return self._folder / f"{key.replace('/', '-')}.npz"


def _train(engine: Engine, steps: int, test: Split | None, chunk: tuple[Lane, ...]) -> list[Trained]:
    """Stage: pure, runs in a worker."""
    return engine.train(
        [lane.loss for lane in chunk],
        lr=[lane.lr for lane in chunk],
        seed=[lane.seed for lane in chunk],
        steps=steps,
        test=test,
    )


_PLAIN = ("fitness", "last", "best_step", "rungs", "curve", "steps", "seconds")


def _to_json(result: Trained) -> dict[str, Any]:
    return {name: getattr(result, name) for name in _PLAIN}


def _from_json(data: dict[str, Any]) -> Trained:
    return Trained(**{**data, "rungs": tuple(data["rungs"]), "curve": tuple(data["curve"])})
