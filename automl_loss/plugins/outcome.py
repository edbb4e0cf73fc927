"""Define `Outcome`, the result of evaluating a candidate. A bad loss gives an outcome, never an exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from automl_loss.losses.base import Loss


class Status(Enum):
    """How an evaluation ended; each member has a sentence with a remedy."""

    EVALUATED = "evaluated"
    CACHED = "cached"
    REJECTED = "rejected"
    DIVERGED = "diverged"
    PRUNED = "pruned"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    FAILED = "failed"

    @property
    def advice(self) -> str:
        """One sentence that describes the status and its remedy."""
        return _ADVICE[self]

    @property
    def completed(self) -> bool:
        """Whether the outcome has a fitness from a whole partial training."""
        return self in (Status.EVALUATED, Status.CACHED)

    @property
    def trained(self) -> bool:
        """Whether a network was trained under the loss, to the end or in part."""
        return self in (
            Status.EVALUATED,
            Status.DIVERGED,
            Status.PRUNED,
            Status.TIMED_OUT,
            Status.CRASHED,
        )


_ADVICE = {
    Status.EVALUATED: "Trained in full; its fitness is the validation metric.",
    Status.CACHED: (
        "Equivalent to an earlier candidate, whose outcome it shares; "
        "switch off `filters.equivalence` to train it."
    ),
    Status.REJECTED: (
        "A filter found that it cannot train the model; "
        "switch the filter off under `filters:` to train it anyway."
    ),
    Status.DIVERGED: "Training became non-finite; try a lower `training.lr` or `training.scale: matched`.",
    Status.PRUNED: (
        "Stopped early at a rung as unpromising; set `training.rungs: []` to train every candidate in full."
    ),
    Status.TIMED_OUT: "It took longer than `executor.timeout_s`; raise that limit if it should be given more time.",
    Status.CRASHED: (
        "It ended its worker process each time that it was tried; if for lack of memory, give it more by fewer "
        "`executor.workers`."
    ),
    Status.FAILED: "A fault of the machine or of a plugin stopped it; `--resume` tries it again.",
}


@dataclass(frozen=True)
class Outcome:
    """Result of evaluating one candidate.

    Numpy scalars are accepted for numbers, and the search turns them into Python's; tensors are refused.

    Args:
        id: the candidate's id.
        status: how it ended.
        fitness: validation metric under the stopping rule, lower is better; `None` unless completed.
        loss: the loss as trained: tuned weights and matched scale.
        metrics: further numbers by name, e.g. `{"last_step": 0.31, "best_step": 240}`.
        rungs: metric at each rung of partial training that was reached.
        steps: training steps spent, those of exact tuning included; amortised tuning and filters count none.
        seconds: time spent on it, its share of the chunk.
        source_id: for cached outcomes, the id of the candidate whose outcome this is.
        message: the reason, shown to the user.
        cost: its cost to the budget in candidates, set by the code that computed it. Default: 1 for one that was
            trained (evaluated, diverged, pruned, timed out or crashed), else 0. Cached outcomes cost 0.
        paused: training runs that were stopped before their end, one a seed, which the next stage continues; kept
            beside the ledger during the generation, and never in it.
    """

    id: int
    status: Status
    fitness: float | None
    loss: Loss
    metrics: Mapping[str, float] = field(default_factory=dict)
    rungs: tuple[float, ...] = ()
    steps: float = 0.0
    seconds: float = 0.0
    source_id: int | None = None
    message: str = ""
    cost: float = -1.0
    paused: Sequence[bytes] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.cost < 0:
            object.__setattr__(self, "cost", float(self.status.trained))

    @property
    def rank_key(self) -> tuple[Any, ...]:
        """Return the sort key, best first: completed by fitness; pruned, furthest and best rung first; the rest.

        Ties keep ask order by id, so ranking is deterministic.
        """
        if self.status.completed and self.fitness is not None:
            return (0, self.fitness, 0.0, self.id)
        if self.status is Status.PRUNED and self.rungs:
            return (1, -len(self.rungs), self.rungs[-1], self.id)
        return (2, 0.0, 0.0, self.id)
