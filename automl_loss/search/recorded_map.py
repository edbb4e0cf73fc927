"""What an evaluator's `context.map` is: stages on chunks of candidates, each finished chunk made durable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from automl_loss.engine.clock import timed
from automl_loss.errors import PluginError
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.evaluator import Chunk, Stage
from automl_loss.plugins.executor import Executor
from automl_loss.plugins.outcome import Outcome
from automl_loss.search.lanes import cut
from automl_loss.search.ledger import Ledger
from automl_loss.search.paused_files import PausedFiles


class RecordedMap:
    """Runs the stages of one generation and records what each chunk gave.

    A chunk is named by generation, stage and its candidates' ids. Stages are pure, so a recorded chunk is as
    good as a computed one: an evaluator that is run again after an interruption meets its own results. Training
    runs that a chunk left paused are a part of it: where they are gone, the chunk is computed again.

    Args:
        executor: where chunks run.
        ledger: keeps chunk records.
        chunk: most candidates in a chunk.
        generation: number of the generation.
        chunk_of: is told each candidate's chunk, by id.
        on_chunk: called with the outcomes of each finished chunk.
        paused: keeps paused training runs in files; `None`: they stay in memory.
    """

    def __init__(
        self,
        executor: Executor,
        ledger: Ledger,
        chunk: int,
        generation: int,
        chunk_of: dict[int, str],
        on_chunk: Callable[[Sequence[Outcome]], None],
        paused: PausedFiles | None = None,
    ) -> None:
        self._executor = executor
        self._ledger = ledger
        self._chunk = chunk
        self._generation = generation
        self._chunk_of = chunk_of
        self._on_chunk = on_chunk
        self._paused = paused
        self._stages = 0

    def __call__(self, stage: Stage, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
        """See `ChunkMap`."""
        name = f"generation-{self._generation}/stage-{self._stages}"
        self._stages += 1
        chunks = cut(candidates, self._chunk)
        keys = [
            f"{name}/{number}/{chunk[0].id}-{chunk[-1].id}x{len(chunk)}"
            for number, chunk in enumerate(chunks)
        ]
        for key, chunk in zip(keys, chunks, strict=True):
            for candidate in chunk:
                self._chunk_of.setdefault(candidate.id, key)
        return self._run(stage, chunks, keys)

    def _run(self, stage: Stage, chunks: list[Chunk], keys: list[str]) -> Iterator[Outcome]:
        known = [self._recall(key, chunk) for key, chunk in zip(keys, chunks, strict=True)]
        fresh = self._executor.map(
            stage, [c for c, found in zip(chunks, known, strict=True) if found is None]
        )
        for key, chunk, found in zip(keys, chunks, known, strict=True):
            if found is None:
                found = next(fresh)
                _check(stage, chunk, found)
                found = self._record(key, found)
            self._on_chunk(found)
            yield from found

    @timed("ledger")
    def _record(self, key: str, outcomes: list[Outcome]) -> list[Outcome]:
        if any(outcome.paused for outcome in outcomes):
            # Before the outcomes: their record makes the chunk complete.
            outcomes = outcomes if self._paused is None else self._paused.keep(key, outcomes)
            self._ledger.remember(_paused_key(key), [o.id for o in outcomes if o.paused])
        self._ledger.remember_outcomes(key, outcomes)
        return outcomes

    @timed("ledger")
    def _recall(self, key: str, chunk: Chunk) -> list[Outcome] | None:
        found = self._ledger.recall_outcomes(key)
        if found is not None and [o.id for o in found] != [c.id for c in chunk]:
            # A larger budget let more of the generation in, and others got as far as this stage.
            return None
        if found is None or self._ledger.recall(_paused_key(key)) is None:
            return found
        return None if self._paused is None else self._paused.find(key, found)


def _paused_key(key: str) -> str:
    return f"{key}/paused"


def _check(stage: Stage, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
    asked, got = [candidate.id for candidate in chunk], [outcome.id for outcome in outcomes]
    if asked != got:
        name: object = stage
        while hasattr(name, "func"):
            name = name.func
        raise PluginError(
            f"evaluator stage {getattr(name, '__qualname__', name)} got candidates {asked} and returned "
            f"outcomes {got}; it must return one outcome for each candidate, in order."
        )
