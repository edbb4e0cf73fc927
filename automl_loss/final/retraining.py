"""Retraining: full runs from scratch, judged once on test rows that nothing before has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from automl_loss.engine.engine import Engine
from automl_loss.engine.metrics.metric import Metric
from automl_loss.engine.settings import Resplit
from automl_loss.engine.training.lane import Lane, Schedule, Trained
from automl_loss.errors import EvaluationError
from automl_loss.final.learning_rate import RateTrial, Selection, default_grid, select_lr
from automl_loss.final.statistics import Difference, paired_difference, paired_difference_of
from automl_loss.final.training_runs import TrainingRuns
from automl_loss.losses.base import Loss
from automl_loss.plugins.task import Split
from automl_loss.seeds import generator, stream

ON_VALIDATION = "task_loss_on_validation"
"""Contestant: the task loss, trained on clean validation rows alone."""
ON_BOTH = "task_loss_on_both"
"""Contestant: the task loss, trained on training rows and clean validation rows."""


@dataclass(frozen=True)
class Contestant:
    """A loss as retrained.

    Args:
        loss: at its final weights and scale.
        selection: its learning rate at this horizon; a fixed one has no table.
        values: test metric of each seed under the stopping rule, lower is better inside.
        last: the same at the last step.
        runs: one training run for each seed.
        unfit_rows: test rows on which the metric of a run that did not diverge is not finite; its value is infinite.
        last_unfit_rows: the same at the last step.
    """

    loss: Loss
    selection: Selection
    values: tuple[float, ...]
    last: tuple[float, ...]
    runs: tuple[Trained, ...]
    unfit_rows: int = 0
    last_unfit_rows: int = 0

    @property
    def diverged(self) -> bool:
        """Whether training diverged on a seed."""
        return any(run.diverged for run in self.runs)


@dataclass(frozen=True)
class Retrained:
    """Contestants by name, and how they differ from the task loss.

    Args:
        contestants: `task_loss`, `found`, `handcrafted`, and the task loss on other rows.
        differences: test metric of each contestant minus the task loss's, at the stopping rule's step.
        last_differences: the same at the last step.
    """

    contestants: Mapping[str, Contestant]
    differences: Mapping[str, Difference]
    last_differences: Mapping[str, Difference]


@dataclass(frozen=True)
class RetrainingPlan:
    """How losses are retrained.

    Args:
        schedule: of each run.
        seeds: runs for each loss.
        lr: one rate for all, or `None` to give each loss its best on validation at this horizon.
        own_lr: whether to train at the engine's rate instead, where there is no time to try others.
    """

    schedule: Schedule
    seeds: int
    lr: float | None
    own_lr: bool = False


def retrain(
    runs: TrainingRuns, losses: Mapping[str, Loss], plan: RetrainingPlan, stage: str = "retraining"
) -> Retrained:
    """Train every loss from scratch on the same fresh seeds, each at its own best rate, and read the test metric.

    Where validation rows are known to be cleaner than training rows, the task loss is trained on them as well.

    Args:
        runs: trains lanes on one task.
        losses: by name; `task_loss` is among them.
        plan: length, seeds, rates.
        stage: names the seed streams and the chunk records.
    """
    engine = runs.engine
    assert isinstance(engine, Engine)
    usual, others = losses["task_loss"], on_clean_rows(engine)
    selections = _rates(runs, f"{stage}-lr", list(losses.values()), plan)
    rates = {
        name: _rates(runs, f"{stage}-{name}-lr", [usual], plan, rows)[0] for name, rows in others.items()
    }
    # Every choice has been made: only now are the test rows loaded.
    test = engine.task.test(engine.seed)
    streams = [stream(engine.seed, stage, i) for i in range(plan.seeds)]
    lanes = [
        Lane(loss, pick.lr, seed)
        for seed in streams
        for loss, pick in zip(losses.values(), selections, strict=True)
    ]
    judged = runs.during("retraining")
    results = judged.train(stage, lanes, plan.schedule, test)
    judge = _Judge(engine.metric, test, engine.problem.is_classification)
    contestants = {
        name: judge.contestant(loss, selections[k], results[k :: len(losses)])
        for k, (name, loss) in enumerate(losses.items())
    }
    for name, rows in others.items():
        own = [Lane(usual, rates[name].lr, seed, rows) for seed in streams]
        trained = judged.train(f"{stage}-{name}", own, plan.schedule, test)
        contestants[name] = judge.contestant(usual, rates[name], trained)
    rng_seed = stream(engine.seed, "bootstrap")
    return Retrained(contestants, *(judge.differences(contestants, at, rng_seed) for at in ("best", "last")))


def on_clean_rows(engine: Engine) -> dict[str, Resplit]:
    """Rows that the task loss is trained on besides, by contestant: what it would do with clean validation rows.

    Whoever has clean rows to choose a loss on could train on them instead, and a loss has to be worth more than that.
    Empty where validation rows are no cleaner than the others.
    """
    return {ON_VALIDATION: "validation", ON_BOTH: "both"} if engine.spec.options.cleaner_validation else {}


def _rates(
    runs: TrainingRuns, stage: str, losses: Sequence[Loss], plan: RetrainingPlan, rows: Resplit | None = None
) -> list[Selection]:
    fixed = runs.engine.lr if plan.own_lr and plan.lr is None else plan.lr
    if fixed is not None:
        return [Selection(fixed, float("nan"), ()) for _ in losses]
    trial = RateTrial(default_grid(runs.engine.training.optimizer), plan.schedule, rows=(rows,))
    return select_lr(runs.during("retraining_rate"), stage, losses, trial)


class _Judge:
    """Reads the metric off raw outputs on the test rows."""

    def __init__(self, metric: Metric, test: Split, classification: bool) -> None:
        self._metric = metric
        self._target = torch.as_tensor(test.y)
        self._target = self._target.long() if classification else self._target.float()

    def contestant(self, loss: Loss, selection: Selection, runs: Sequence[Trained]) -> Contestant:
        """The test metric of each run; infinite where training diverged, or where it is not finite on some rows."""
        return Contestant(
            loss,
            selection,
            self._values(runs, "best"),
            self._values(runs, "last"),
            tuple(runs),
            self._unfit_rows(runs, "best"),
            self._unfit_rows(runs, "last"),
        )

    def _unfit_rows(self, runs: Sequence[Trained], at: str) -> int:
        """Rows on which the metric of some run that did not diverge is not finite."""
        sound = [run for run in runs if not run.diverged]
        if not sound:
            return 0
        return int(self._metric.unfit_rows(_outputs(sound, at), self._target).any(0).sum())

    def _values(self, runs: Sequence[Trained], at: str) -> tuple[float, ...]:
        outputs = _outputs(runs, at)
        values = self._metric.values(outputs, self._target).tolist()
        unfit = self._metric.unfit_rows(outputs, self._target).any(1).tolist()
        return tuple(
            float("inf") if run.diverged or bad else value
            for run, value, bad in zip(runs, values, unfit, strict=True)
        )

    def differences(self, contestants: Mapping[str, Contestant], at: str, seed: int) -> dict[str, Difference]:
        """Each contestant against the task loss, in the metric's own sense."""
        base = contestants["task_loss"]
        return {
            name: self._difference(other, base, at, seed)
            for name, other in contestants.items()
            if name != "task_loss"
        }

    def _difference(self, one: Contestant, base: Contestant, at: str, seed: int) -> Difference:
        if any(run.diverged for run in (*one.runs, *base.runs)):
            return _no_difference("a run diverged")
        count = max(self._unfit_rows(each.runs, at) for each in (one, base))
        if count:
            return _no_difference(f"the metric is not finite on {count:,} of {len(self._target):,} test rows")
        mine, theirs = _outputs(one.runs, at), _outputs(base.runs, at)
        sign = 1.0 if self._metric.lower_is_better else -1.0
        rows, others = self._metric.per_row(mine, self._target), self._metric.per_row(theirs, self._target)
        if rows is not None and others is not None:
            return paired_difference(sign * rows.numpy(), sign * others.numpy())

        def resampled(seeds: npt.NDArray[np.int64], index: npt.NDArray[np.int64]) -> float:
            chosen = torch.as_tensor(index)
            target = self._target[chosen]
            a = self._metric.values(mine[seeds][:, chosen], target).mean()
            b = self._metric.values(theirs[seeds][:, chosen], target).mean()
            return sign * float(a - b)

        try:
            return paired_difference_of(resampled, len(one.runs), len(self._target), generator(seed, at))
        except EvaluationError as error:  # undefined on most resamples: test rows are what they are
            return _no_difference(str(error).rstrip("."))


def _no_difference(reason: str) -> Difference:
    return Difference(float("nan"), (float("nan"), float("nan")), 1.0, f"none: {reason}")


def _outputs(runs: Sequence[Trained], at: str) -> torch.Tensor:
    """`(runs, rows, outputs)` raw test outputs."""
    arrays = [run.test_output if at == "best" else run.test_output_last for run in runs]
    return torch.from_numpy(np.stack([array for array in arrays if array is not None]))
