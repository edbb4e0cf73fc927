"""Find those of a chunk that hang, or end their worker, and compute the others as if these had never been there.

A chunk's composition decides its last bits. So a chunk that took too long is computed again twice: item by item, to
find who is to blame, and then whole, at its full width, with a harmless item in each culprit's place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from automl_loss.errors import EvaluationError, WorkerLostError
from automl_loss.plugins.executor import Failure
from automl_loss.record.workers import Workers

Item = TypeVar("Item")


@dataclass(frozen=True)
class Isolated:
    """What came of a chunk of which some were to blame.

    Args:
        results: what the stage gave on the chunk; that of a harmless item in each culprit's place.
        culprits: failures of the items to blame, by place.
    """

    results: Any
    culprits: dict[int, Failure]


def costs_only_itself(failure: Failure) -> bool:
    """Whether a chunk failed for what one of its items may be to blame for: it took too long, or ended its worker."""
    return isinstance(failure.error, TimeoutError | WorkerLostError)


def isolate(
    workers: Workers,
    stage: Callable[[tuple[Item, ...]], Any],
    chunk: Sequence[Item],
    harmless: Callable[[Item], Item],
    failure: Failure,
) -> Isolated:
    """Compute a chunk that failed again, without those that are to blame.

    Where every item ends when it is alone, the chunk is given a second chance: the machine may have been asleep. If it
    fails again, all of its items are to blame.

    Args:
        workers: compute.
        stage: what the chunk was computed by.
        chunk: its items.
        harmless: gives the item to put in another's place, which is known to end: the task loss in a loss's.
        failure: of the chunk; `costs_only_itself` holds.

    Raises:
        EvaluationError: the chunk fails with harmless items alone, too: what hangs is the model, the metric or the
            machine.
        BaseException: an item raised something.
    """
    culprits: dict[int, Failure] = {}
    for place, value in workers.run(stage, [(item,) for item in chunk]):
        if isinstance(value, Failure):
            if not costs_only_itself(value):
                raise value.error
            culprits[place] = value
    if not culprits:
        ((_, again),) = workers.run(stage, [tuple(chunk)])
        if not isinstance(again, Failure):
            return Isolated(again, {})
        if not costs_only_itself(again):
            raise again.error
        culprits = dict.fromkeys(range(len(chunk)), failure)
    standing_in = tuple(harmless(item) if place in culprits else item for place, item in enumerate(chunk))
    ((_, results),) = workers.run(stage, [standing_in])
    if not isinstance(results, Failure):
        return Isolated(results, culprits)
    if not costs_only_itself(results):
        raise results.error
    raise EvaluationError(
        f"a chunk of {len(chunk)} failed with the task loss in the place of {len(culprits)} of them, too: "
        f"{str(results.error).rstrip('.')}. So the model, the metric, the data or the machine is to blame, not the "
        f"losses. What was finished is recorded: mend it, or raise `executor.timeout_s`, and go on with --resume."
    ) from results.error
