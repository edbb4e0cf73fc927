"""Run the stages of an evaluator on chunks of candidates, and record each finished chunk.

`GenerationMap` is the `map` of the `Context` that an evaluator is handed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from automl_loss.engine.clock import timed
from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.losses.base import Loss
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.evaluator import Stage
from automl_loss.plugins.executor import Failure
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.record.encoding import outcome_from_json, outcome_to_json
from automl_loss.record.paused_files import PausedFiles
from automl_loss.record.recorded_map import cut, recorded_map
from automl_loss.record.recording import Recording


class StageGuard(Protocol):
    """Checks what a stage gives, and says whose fault a failure is."""

    def check(self, outcomes: Any, candidates: Sequence[Candidate]) -> list[Outcome]:
        """The outcomes, when there is a sound one for each candidate, in order."""
        ...

    def fault(self, failure: Failure) -> BaseException:
        """What to raise for a chunk that failed."""
        ...


class GenerationMap:
    """Runs the stages of one generation and records what each chunk gave.

    A chunk is named by generation, stage and its candidates' ids: an evaluator that is run again after an
    interruption meets its own results. Training runs that a chunk left paused are a part of it: where they are gone,
    the chunk is computed again.

    Args:
        recording: where chunks are computed and kept.
        generation: number of the generation.
        primitives: the words of symbolic losses, beside the standard ones.
        guard: of the evaluator.
        usual: the task loss, to put in the place of a loss that hangs.
        on_chunk: called with the outcomes of each chunk as it arrives.
    """

    def __init__(
        self,
        recording: Recording,
        generation: int,
        primitives: PrimitiveSet,
        guard: StageGuard,
        usual: Loss,
        on_chunk: Callable[[Sequence[Outcome]], None],
    ) -> None:
        self.chunk_of: dict[int, str] = {}
        """Key of the first chunk that each candidate was in, by its id."""
        self.on_chunk = on_chunk
        self._recording = recording
        self._generation = generation
        self._primitives = primitives
        self._guard = guard
        self._usual = usual
        self._paused = PausedFiles(recording.paths.paused)
        self._stages = 0

    def __call__(self, stage: Stage, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
        """See `ChunkMap`."""
        name = f"generation-{self._generation}/stage-{self._stages}"
        self._stages += 1
        keyed = [
            (f"{name}/{number}/{chunk[0].id}-{chunk[-1].id}x{len(chunk)}", chunk)
            for number, chunk in enumerate(cut(candidates, self._recording.chunk))
        ]
        for key, chunk in keyed:
            for candidate in chunk:
                self.chunk_of.setdefault(candidate.id, key)
        found = recorded_map(self._recording.workers, stage, keyed, self)
        return (outcome for outcomes in found for outcome in outcomes)

    def keep(self, key: str, chunk: Sequence[Candidate], results: Any) -> list[Outcome]:
        """See `Keeping.keep`."""
        outcomes = self._guard.check(results, chunk)
        outcomes = self._record(key, outcomes)
        self.on_chunk(outcomes)
        return outcomes

    @timed("ledger")
    def _record(self, key: str, outcomes: list[Outcome]) -> list[Outcome]:
        records = self._recording.records
        if any(outcome.paused for outcome in outcomes):
            # Before the outcomes: their record makes the chunk complete.
            outcomes, digest = self._paused.keep(key, outcomes)
            records.remember(_paused_key(key), {"digest": digest})
        records.remember(key, [outcome_to_json(outcome) for outcome in outcomes])
        return outcomes

    def find(self, key: str, chunk: Sequence[Candidate]) -> list[Outcome] | None:
        """See `Keeping.find`; a chunk of which one failed is tried again."""
        outcomes = self._recall(key, chunk)
        if outcomes is not None:
            self.on_chunk(outcomes)
        return outcomes

    @timed("ledger")
    def _recall(self, key: str, chunk: Sequence[Candidate]) -> list[Outcome] | None:
        stored = self._recording.records.recall(key)
        if stored is None or any(data["status"] == Status.FAILED.value for data in stored):
            return None
        if [data["id"] for data in stored] != [c.id for c in chunk]:
            # A larger budget let more of the generation in, and others got as far as this stage.
            return None
        outcomes = [outcome_from_json(data, self._primitives) for data in stored]
        paused = self._recording.records.recall(_paused_key(key))
        if paused is None:
            return outcomes
        # Records of the first version list ids there.
        return self._paused.find(key, outcomes, paused["digest"] if isinstance(paused, dict) else None)

    def fault(self, failure: Failure) -> BaseException:
        """See `Keeping.fault`."""
        return self._guard.fault(failure)

    def harmless(self, item: Candidate) -> Candidate:
        """See `Keeping.harmless`."""
        return replace(item, loss=self._usual, overrides={})

    def blamed(self, item: Candidate, standing_in: Outcome, failure: Failure) -> Outcome:
        """See `Keeping.blamed`; the outcome is final, and `--resume` does not try it again."""
        status = Status.TIMED_OUT if isinstance(failure.error, TimeoutError) else Status.CRASHED
        return Outcome(item.id, status, None, item.loss, message=str(failure.error))

    def forget_paused(self) -> None:
        """Remove paused training runs: the generation they belong to is recorded."""
        self._paused.clear()


def _paused_key(key: str) -> str:
    return f"{key}/paused"
