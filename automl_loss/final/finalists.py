"""The final round: the best few losses and the best handcrafted ones, on fresh seeds, each at its best rate.

One lucky run must not decide. All choices here are made on validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from automl_loss.engine.engine import Engine
from automl_loss.engine.several_tasks import SeveralTasks
from automl_loss.final.learning_rate import RateTrial, Selection, select_lr
from automl_loss.final.training_runs import TrainingRuns
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import catalogue
from automl_loss.plugins.outcome import Outcome, Status


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


def best_handcrafted(runs: TrainingRuns, trial: RateTrial, count: int) -> list[Loss]:
    """The handcrafted losses that are best on validation, best first, each at its best rate.

    Several, as one run does not tell the best from the next best.
    """
    if not count:
        return []
    engine = runs.engine
    losses = engine.match_scale(list(catalogue(engine.problem)))
    selections = select_lr(runs, "handcrafted", losses, trial)
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


def as_searched(chosen: Sequence[Outcome], engine: Engine | SeveralTasks) -> list[Finalist]:
    """Finalists as the search ranks them, best first, without a final round."""
    return [
        Finalist(o.id, f"candidate {o.id}", o.loss, Selection(engine.lr, o.fitness or 0.0, ()))
        for o in chosen
    ]


def final_round(
    runs: TrainingRuns, chosen: Sequence[Outcome], handcrafted: Sequence[Loss], trial: RateTrial
) -> list[Finalist]:
    """Finalists, best first.

    Args:
        runs: trains lanes.
        chosen: outcomes from the search.
        handcrafted: the best handcrafted losses.
        trial: multiples of the search's learning rate, at the retraining length; its rows are numbers where each seed
            has training and validation rows drawn anew.
    """
    entries: list[tuple[int | None, str, Loss]] = [(o.id, f"candidate {o.id}", o.loss) for o in chosen]
    entries += [(None, loss.key, loss) for loss in handcrafted]
    stage = "finalists" if trial.rows == (None,) else "finalists-redrawn"
    selections = select_lr(runs, stage, [loss for _, _, loss in entries], trial)
    finalists = [
        Finalist(number, name, loss, selection)
        for (number, name, loss), selection in zip(entries, selections, strict=True)
    ]
    return sorted(finalists, key=lambda finalist: finalist.selection.fitness)
