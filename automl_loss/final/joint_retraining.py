"""Retraining on several tasks: each task by itself, and the mean relative to the task losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from automl_loss.engine.engine import Engine
from automl_loss.engine.several_tasks import SeveralTasks
from automl_loss.engine.training.lane import Lane
from automl_loss.errors import EvaluationError
from automl_loss.final.learning_rate import Selection
from automl_loss.final.retraining import Contestant, Retrained, RetrainingPlan, retrain
from automl_loss.final.statistics import Difference, combined
from automl_loss.final.training_runs import TrainingRuns
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import task_loss


@dataclass(frozen=True)
class JointlyRetrained:
    """What retraining on several tasks gave.

    Args:
        whole: values are means over tasks of the metric over the task loss's mean.
        tasks: each task's own, by its label.
        engines: the tasks' engines, likewise.
    """

    whole: Retrained
    tasks: Mapping[str, Retrained]
    engines: Mapping[str, Engine]


def with_base(
    runs: TrainingRuns, tasks: SeveralTasks, select: Callable[[TrainingRuns, str], float]
) -> SeveralTasks:
    """The tasks at their own learning rates, with what each one's task loss gives in partial training.

    Args:
        runs: trains lanes.
        tasks: at rates that may still be `auto`.
        select: gives a task's learning rate; the text tells the tasks' records apart.

    Raises:
        EvaluationError: a task loss diverges.
    """
    engines, base = [], []
    for label, engine in zip(tasks.labels, tasks.engines, strict=True):
        ready = engine if engine.training.lr != "auto" else engine.with_lr(select(runs.under(engine), label))
        lanes = [
            Lane(task_loss(ready.problem), ready.lr, ready.search_seed(i))
            for i in range(ready.training.seeds)
        ]
        here = runs.under(ready)
        trained = here.train(f"base-{label}", lanes, here.schedule(ready.training.steps))
        values = [run.fitness for run in trained if run.fitness is not None]
        if len(values) < len(trained):
            raise EvaluationError(
                f"the task loss diverges on {label} at learning rate {ready.lr:g}; check its data, or set "
                f"`training.lr`."
            )
        engines.append(ready)
        base.append(fmean(values))
    return tasks.with_base(engines, base)


def retrain_jointly(
    runs: TrainingRuns, joint: SeveralTasks, losses: Mapping[str, Loss], plan: RetrainingPlan
) -> JointlyRetrained:
    """Retrain on every task, each contestant at its own best rate there; arguments as of `retrain`."""
    tasks = {}
    for label, engine in zip(joint.labels, joint.engines, strict=True):
        own = dict(zip(losses, joint.own(list(losses.values()), engine), strict=True))
        own["task_loss"] = task_loss(engine.problem)
        tasks[label] = retrain(runs.under(engine), own, plan, f"retraining-{label}")
    metrics = {label: engine.metric for label, engine in zip(joint.labels, joint.engines, strict=True)}
    bases = {label: fmean(each.contestants["task_loss"].values) for label, each in tasks.items()}
    names = ["task_loss", *(name for name in losses if name != "task_loss")]
    contestants = {name: _mean(losses[name], [tasks[label].contestants[name] for label in tasks], bases.values())
                   for name in names}  # fmt: skip
    signs = [1.0 if metrics[label].lower_is_better else -1.0 for label in tasks]
    factors = [sign / base if base else 0.0 for sign, base in zip(signs, bases.values(), strict=True)]
    factors = [
        factor if math.isfinite(base) else math.nan
        for factor, base in zip(factors, bases.values(), strict=True)
    ]

    def differences(of: Callable[[Retrained], Mapping[str, Difference]]) -> dict[str, Difference]:
        return {
            name: combined([of(each)[name] for each in tasks.values()], factors)
            for name in names
            if name != "task_loss"
        }

    whole = Retrained(
        contestants, differences(lambda r: r.differences), differences(lambda r: r.last_differences)
    )
    return JointlyRetrained(whole, tasks, dict(zip(joint.labels, joint.engines, strict=True)))


def _mean(loss: Loss, each: Sequence[Contestant], bases: Iterable[float]) -> Contestant:
    """One contestant over tasks: each seed's mean of the metric over the task loss's mean there."""
    over = list(bases)

    def relative(values: Sequence[Sequence[float]]) -> tuple[float, ...]:
        # Where a task loss is not finite nothing can be said relative to it.
        return tuple(fmean(math.inf if not math.isfinite(b) else v / b if b else float(v > 0)
                           for v, b in zip(row, over, strict=True))
                     for row in zip(*values, strict=True))  # fmt: skip

    runs = each[0].runs
    return replace(
        each[0],
        loss=loss,
        selection=Selection(float("nan"), float("nan"), ()),
        values=relative([one.values for one in each]),
        last=relative([one.last for one in each]),
        runs=runs,
        unfit_rows=sum(one.unfit_rows for one in each),
        last_unfit_rows=sum(one.last_unfit_rows for one in each),
    )
