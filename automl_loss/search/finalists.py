"""The final round: the best few losses and the best handcrafted ones, on fresh seeds, each at its best rate.

One lucky run must not decide. All choices here are made on validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import catalogue
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.search.lanes import LaneTrainer
from automl_loss.search.learning_rate import Selection, select_lr

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Finalist:
    """A loss of the final round.

    Args:
        id: the candidate's; `None` for a handcrafted one.
        name: for a person.
        loss: as trained in the search.
        selection: its best learning rate on fresh seeds and the fitness there.
    """

    id: int | None
    name: str
    loss: Loss
    selection: Selection


def best_handcrafted(
    trainer: LaneTrainer,
    lr: float,
    factors: Sequence[float],
    steps: int,
    count: int,
    progress: Progress | None = None,
) -> list[Loss]:
    """The handcrafted losses that are best on validation, best first, each at its best rate, one run each.

    Several, as one run does not tell the best from the next best.
    """
    if not count:
        return []
    engine = trainer.engine
    losses = engine.match_scale(list(catalogue(engine.problem)))
    selections = select_lr(
        trainer, "handcrafted", losses, [lr * f for f in factors], steps, seeds=1, progress=progress
    )
    order = sorted(range(len(losses)), key=lambda i: selections[i].fitness)
    return [losses[i] for i in order[:count]]


def choose(outcomes: Iterable[Outcome], count: int) -> list[Outcome]:
    """The best `count` outcomes that were trained in full and are not the task loss or another's equivalent."""
    trained = [o for o in outcomes if o.status is Status.EVALUATED and o.id != 0]
    # One loss at several learning rates is one finalist: each gets its own best rate in the final round.
    best: dict[Loss, Outcome] = {}
    for outcome in sorted(trained, key=lambda outcome: outcome.rank_key):
        best.setdefault(outcome.loss, outcome)
    return list(best.values())[:count]


def final_round(
    trainer: LaneTrainer,
    chosen: Sequence[Outcome],
    handcrafted: Sequence[Loss],
    lr: float,
    factors: Sequence[float],
    steps: int,
    seeds: int,
    progress: Progress | None = None,
    redraw: bool = False,
) -> list[Finalist]:
    """Finalists, best first.

    Args:
        trainer: trains lanes.
        chosen: outcomes from the search.
        handcrafted: the best handcrafted losses.
        lr: the search's learning rate.
        factors: multiples of it to try.
        steps: length of the runs: the retraining length.
        seeds: fresh seeds for each rate.
        progress: called with (runs done, runs in all).
        redraw: whether each seed has training and validation rows drawn anew from both.
    """
    engine = trainer.engine
    elsewhere = [trainer.under(engine.on_rows(number)) for number in range(seeds)] if redraw else ()
    entries: list[tuple[int | None, str, Loss]] = [(o.id, f"candidate {o.id}", o.loss) for o in chosen]
    entries += [(None, loss.key, loss) for loss in handcrafted]
    selections = select_lr(
        trainer,
        "finalists-redrawn" if redraw else "finalists",
        [loss for _, _, loss in entries],
        [lr * f for f in factors],
        steps,
        seeds,
        progress,
        elsewhere,
    )
    finalists = [
        Finalist(number, name, loss, selection)
        for (number, name, loss), selection in zip(entries, selections, strict=True)
    ]
    return sorted(finalists, key=lambda finalist: finalist.selection.fitness)
