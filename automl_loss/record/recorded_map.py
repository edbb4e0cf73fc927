"""The recorded map: chunks are recalled where they are on record, else computed and recorded as soon as they arrive.

Search, learning rates, finalists, retraining, several tasks and transfer all hand it their chunks. A stage is a pure
function of a chunk, so a recorded chunk is as good as a computed one, and a run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from automl_loss.plugins.executor import Failure
from automl_loss.record.isolation import costs_only_itself, isolate
from automl_loss.record.workers import Workers

Item = TypeVar("Item")
Result = TypeVar("Result")


class Keeping(Protocol[Item, Result]):
    """How the results of chunks are checked and kept."""

    def find(self, key: str, chunk: Sequence[Item]) -> list[Result] | None:
        """The recorded results of a chunk; `None`: it is to be computed."""
        ...

    def keep(self, key: str, chunk: Sequence[Item], results: Any) -> list[Result]:
        """Check and record durably what a chunk gave; returns the results to go on with."""
        ...

    def fault(self, failure: Failure) -> BaseException:
        """What to raise for a chunk that failed."""
        ...

    def harmless(self, item: Item) -> Item:
        """The item to compute in the place of one that hangs: the same with the task loss."""
        ...

    def blamed(self, item: Item, standing_in: Result, failure: Failure) -> Result:
        """The result of an item that hangs or ends its worker, given that of the item in its place."""
        ...


def recorded_map(
    workers: Workers,
    stage: Callable[[tuple[Item, ...]], Any],
    chunks: Sequence[tuple[str, tuple[Item, ...]]],
    keeping: Keeping[Item, Result],
) -> Iterator[list[Result]]:
    """Results of every chunk, in order; what arrives early is recorded at once.

    Args:
        workers: compute what is missing.
        stage: a pure, picklable function of a chunk.
        chunks: each with the key of its record.
        keeping: recalls and records.

    Raises:
        BaseException: what `keeping.fault` makes of a failed chunk; all that had arrived before is recorded.
    """
    found = [keeping.find(key, chunk) for key, chunk in chunks]
    missing = [place for place, results in enumerate(found) if results is None]
    arriving = workers.run(stage, [chunks[place][1] for place in missing])
    for place in range(len(chunks)):
        while (results := found[place]) is None:
            index, value = next(arriving)
            key, chunk = chunks[missing[index]]
            if isinstance(value, Failure):
                if not costs_only_itself(value):
                    raise keeping.fault(value)
                value = _without_culprits(workers, stage, chunk, keeping, value)
            found[missing[index]] = keeping.keep(key, chunk, value)
        found[place] = []  # not held for longer than it takes to hand it on
        yield results


def _without_culprits(
    workers: Workers,
    stage: Callable[[tuple[Item, ...]], Any],
    chunk: tuple[Item, ...],
    keeping: Keeping[Item, Result],
    failure: Failure,
) -> list[Result]:
    """Results of a chunk that failed, those of the items to blame included."""
    isolated = isolate(workers, stage, chunk, keeping.harmless, failure)
    results: list[Result] = list(isolated.results)
    for place, reason in isolated.culprits.items():
        results[place] = keeping.blamed(chunk[place], results[place], reason)
    return results


def cut(items: Sequence[Item], size: int) -> list[tuple[Item, ...]]:
    """Cut a sequence, in order, into chunks of at most `size`, as even as can be.

    Their number is even where that can be, so that the two cores of a small machine share the work; it
    depends on nothing but the lengths, since a chunk's composition decides its last bits.
    """
    count = -(-len(items) // size)
    count = min(len(items), count + count % 2)
    bounds = [round(k * len(items) / count) for k in range(count + 1)] if count else []
    return [tuple(items[a:b]) for a, b in pairwise(bounds)]
