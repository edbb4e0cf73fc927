"""Retraining: full runs from scratch, judged once on test rows that nothing before has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from automl_loss.engine.metrics import Metric
from automl_loss.engine.training import Trained
from automl_loss.losses.base import Loss
from automl_loss.plugins.task import Split
from automl_loss.search.lanes import Lane, LaneTrainer
from automl_loss.search.learning_rate import Selection, default_grid, select_lr
from automl_loss.search.statistics import Difference, paired_difference, paired_difference_of
from automl_loss.seeds import generator, stream

Progress = Callable[[int, int], None]

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
    """

    loss: Loss
    selection: Selection
    values: tuple[float, ...]
    last: tuple[float, ...]
    runs: tuple[Trained, ...]


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


def retrain(
    trainer: LaneTrainer,
    losses: Mapping[str, Loss],
    steps: int,
    seeds: int,
    lr: float | None,
    progress_of: Callable[[str], Progress] | None = None,
    stage: str = "retraining",
    elsewhere: Mapping[str, LaneTrainer] | None = None,
) -> Retrained:
    """Train every loss from scratch on the same fresh seeds, each at its own best rate, and read the test metric.

    Args:
        trainer: trains lanes.
        losses: by name; `task_loss` is among them.
        steps: length of each run.
        seeds: number of runs for each loss.
        lr: one rate for all, or `None` to give each its best on validation at this horizon.
        progress_of: gives what is called with (runs done, runs in all) of a stage.
        stage: names the seed streams and the chunk records.
        elsewhere: further contestants by name: the task loss, trained on other rows of the task.
    """
    engine = trainer.engine
    names = list(losses)
    rate_progress, progress = (
        (None, None) if progress_of is None else map(progress_of, ("retraining_rate", "retraining"))
    )
    selections = _rates(trainer, f"{stage}-lr", list(losses.values()), steps, lr, rate_progress)
    usual, others = losses["task_loss"], dict(elsewhere or {})
    rates = {
        name: _rates(other, f"{stage}-{name}-lr", [usual], steps, lr, rate_progress)[0]
        for name, other in others.items()
    }
    # Every choice has been made: only now are the test rows loaded.
    test = engine.task.test(engine.source.seed)
    streams = [stream(engine.source.seed, stage, i) for i in range(seeds)]
    lanes = [
        Lane(losses[name], pick.lr, seed)
        for seed in streams
        for name, pick in zip(names, selections, strict=True)
    ]
    results = trainer.train(stage, lanes, steps, test, progress)
    judge = _Judge(engine.metric, test, engine.problem.is_classification)
    contestants = {
        name: judge.contestant(losses[name], selections[k], results[k :: len(names)])
        for k, name in enumerate(names)
    }
    for name, other in others.items():
        runs = [Lane(usual, rates[name].lr, seed) for seed in streams]
        trained = other.train(f"{stage}-{name}", runs, steps, test, progress)
        contestants[name] = judge.contestant(usual, rates[name], trained)
    rng_seed = stream(engine.source.seed, "bootstrap")
    return Retrained(contestants, *(judge.differences(contestants, at, rng_seed) for at in ("best", "last")))


def on_clean_rows(trainer: LaneTrainer) -> dict[str, LaneTrainer]:
    """Trainers on validation rows that corruption spares, by contestant: what the task loss would do with them.

    Whoever has clean rows to choose a loss on could train on them instead, and a loss has to be worth more than that.
    Empty where validation rows are no cleaner than the others.
    """
    options = trainer.engine.source.options
    if not (options.clean_validation and (options.label_noise.rate or options.outliers)):
        return {}
    return {
        ON_VALIDATION: trainer.under(trainer.engine.on_rows("validation")),
        ON_BOTH: trainer.under(trainer.engine.on_rows("both")),
    }


def _rates(
    trainer: LaneTrainer,
    stage: str,
    losses: Sequence[Loss],
    steps: int,
    lr: float | None,
    progress: Progress | None,
) -> list[Selection]:
    if lr is not None:
        return [Selection(lr, float("nan"), ()) for _ in losses]
    grid = default_grid(trainer.engine.training.optimizer)
    return select_lr(trainer, stage, losses, grid, steps, progress=progress)


class _Judge:
    """Reads the metric off raw outputs on the test rows."""

    def __init__(self, metric: Metric, test: Split, classification: bool) -> None:
        self._metric = metric
        self._target = torch.as_tensor(test.y)
        self._target = self._target.long() if classification else self._target.float()

    def contestant(self, loss: Loss, selection: Selection, runs: Sequence[Trained]) -> Contestant:
        """The test metric of each run; infinite where training diverged."""
        return Contestant(
            loss, selection, self._values(runs, "best"), self._values(runs, "last"), tuple(runs)
        )

    def _values(self, runs: Sequence[Trained], at: str) -> tuple[float, ...]:
        values = self._metric.values(_outputs(runs, at), self._target).tolist()
        return tuple(float("inf") if run.diverged else value for run, value in zip(runs, values, strict=True))

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
            return Difference(float("nan"), (float("nan"), float("nan")), 1.0, "none: a run diverged")
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

        return paired_difference_of(resampled, len(one.runs), len(self._target), generator(seed, at))


def _outputs(runs: Sequence[Trained], at: str) -> torch.Tensor:
    """`(runs, rows, outputs)` raw test outputs."""
    arrays = [run.test_output if at == "best" else run.test_output_last for run in runs]
    return torch.from_numpy(np.stack([array for array in arrays if array is not None]))
