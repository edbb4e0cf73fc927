"""The engine: trains, tunes and differentiates under many losses at once, on one task and one model."""

from __future__ import annotations

import copy
import math
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from automl_loss.engine.clock import timed
from automl_loss.engine.corruption import corrupt
from automl_loss.engine.data import BatchOrder, Rows
from automl_loss.engine.development import DevelopmentTask
from automl_loss.engine.metagradient import MetaGradient, Path
from automl_loss.engine.metrics import Metric, get_metric
from automl_loss.engine.network import Network
from automl_loss.engine.optimizers import first_step_rate
from automl_loss.engine.population import Population
from automl_loss.engine.probes import (
    SHARPENED,
    Snapshot,
    gradient_norms,
    improvements,
    matched_scales,
    signatures,
)
from automl_loss.engine.rearranged import Rearrangement, rearrange
from automl_loss.engine.settings import TrainingSettings, TuningSettings
from automl_loss.engine.source import EngineSource, class_prior, problem_of
from automl_loss.engine.states import Trajectory, TuningStep, initial_step, trajectory_step
from automl_loss.engine.training import Schedule, Trained, initial_state, train_together
from automl_loss.engine.tuning import HELD_OUT, Triple, Tuned, Tuner
from automl_loss.engine.width import width_for
from automl_loss.errors import EvaluationError
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import task_loss
from automl_loss.plugins.task import Split
from automl_loss.seeds import generator, stream

_MATCHING_BATCHES = 4
_REJECTION_ROWS = 100
_SIGNATURE_ELEMENTS = 1024
_TRIPLE_BYTES = 256 * 2**20


class Engine:
    """Trains, tunes and differentiates under many losses at once.

    Every random number is a function of the run seed and the stage, so that all losses of a run meet the same
    networks and batches. An engine pickles as its source; a worker process makes it once.
    """

    def __init__(self, source: EngineSource, token: str | None = None) -> None:
        self.source = source
        self._token = token or uuid.uuid4().hex
        self.device = torch.device(source.device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise EvaluationError("device 'cuda' was asked for, but torch finds no GPU; use `--device cpu`.")
        self._dtype: torch.dtype = getattr(torch, source.dtype)
        whole = source.task()
        self.task = DevelopmentTask(whole) if source.options.development else whole
        stated = problem_of(self.task, source.options)
        splits = corrupt(self.task.splits(source.seed), source.options, stated, source.seed)
        self.problem = replace(stated, class_prior=class_prior(splits.train.y, stated))
        self.train_rows = Rows.of(splits.train, self.problem, self.device, self._dtype)
        self.validation_rows = Rows.of(splits.validation, self.problem, self.device, self._dtype)
        if source.rows is not None:
            self.train_rows, self.validation_rows = rearrange(
                self.train_rows, self.validation_rows, source.rows, source.seed
            )
        self.metric: Metric = get_metric(self.problem.metric, self.problem, source.folder)
        mixed = source.training.precision == "bfloat16"
        self.network = Network(source.model(), self.problem, self.device, self._dtype, mixed=mixed)
        batchable, self._random = self.network.probe(next(self.train_rows.blocks(2)))
        self.width = (
            (source.training.width or width_for(self.network, batchable=batchable)) if batchable else 1
        )

    def __reduce__(self) -> tuple[Callable[[str, EngineSource], Engine], tuple[str, EngineSource]]:
        return _restore, (self._token, self.source)

    @property
    def training(self) -> TrainingSettings:
        """Settings of partial training."""
        return self.source.training

    @property
    def lr(self) -> float:
        """Learning rate of partial training."""
        if self.training.lr == "auto":
            raise EvaluationError(
                "the learning rate is still `auto`; select one first, see `Engine.with_lr`."
            )
        return self.training.lr

    def with_lr(self, lr: float) -> Engine:
        """The same engine at a learning rate; the data are shared."""
        return self.with_training(lr=lr)

    def with_training(self, **changes: Any) -> Engine:
        """The same engine under other settings of training; the data are shared."""
        other = copy.copy(self)
        other.__dict__ = {
            k: v
            for k, v in self.__dict__.items()
            if not isinstance(getattr(Engine, k, None), cached_property)
        }
        other.source = replace(self.source, training=self.training.model_copy(update=changes))
        other._token = f"{self._token}@{sorted(changes.items())!r}"
        return other

    def on_rows(self, rows: Rearrangement) -> Engine:
        """An engine of the same task that trains on validation rows, too, or on them alone, or on rows drawn anew."""
        return Engine(replace(self.source, rows=rows), f"{self._token}@{rows}")

    @property
    def redrawable(self) -> bool:
        """Whether training and validation rows are of one kind, so that `on_rows(number)` may draw them anew."""
        options = self.source.options
        cleaner = options.clean_validation and (options.label_noise.rate or options.outliers)
        return self.task.exchangeable and options.imbalance == 1 and not cleaner

    @property
    def parts(self) -> tuple[Engine, ...]:
        """The engines of single tasks that this one stands for: itself."""
        return (self,)

    def population(self, losses: Sequence[Loss]) -> Population:
        """Losses, ready to be differentiated together."""
        return Population(losses, self.problem, self.device, self._dtype, compiled=self.source.compiled)

    # Training

    def train(
        self,
        losses: Sequence[Loss],
        *,
        lr: float | Sequence[float] | None = None,
        steps: int | None = None,
        rungs: Sequence[int] = (),
        seed: int | Sequence[int] | None = None,
        test: Split | None = None,
        until: int | None = None,
        paused: Sequence[bytes] = (),
        keep: bool = False,
    ) -> list[Trained]:
        """Train base networks, one per loss: fresh ones, or ones that were paused.

        Law: pausing changes no bit of a run that goes on in the same company; in another one, last bits may
        change, as they do with any batch.

        Args:
            losses: at their final weights and scale.
            lr: one learning rate, or one per loss; default: partial training's.
            steps: default: partial training's.
            rungs: steps at which the fitness so far is reported.
            seed: one seed for all, or one per loss; default: the search's, common to all candidates of a run.
            test: rows to give raw outputs for; only retraining has any.
            until: pause at this rung: each result's `paused` is what to go on from. At the last step, or by
                default, training runs to its end.
            paused: runs to go on from, one per loss, with the loss, rate, seed, steps and rungs they began with.
            keep: whether results hold the network that the stopping rule chose, too; of whole runs alone.

        Returns:
            One result per loss, in order; a loss that diverges is a result, not an error.

        Raises:
            ValueError: the step to pause at is no rung, or test rows are given or networks kept for a part of a run.
        """
        rates = _each(self.lr if lr is None else lr, len(losses))
        seeds = _each(self.search_seed(0) if seed is None else seed, len(losses))
        schedule = Schedule(steps or self.training.steps, self.source.stop, tuple(rungs))
        if until not in (None, schedule.steps, *(rung for rung in schedule.rungs if rung < schedule.steps)):
            raise ValueError(
                f"cannot pause at step {until}, which is none of the rungs {list(schedule.rungs)}."
            )
        if (keep or test is not None) and (paused or until is not None):
            raise ValueError("test rows and kept networks go with whole runs; do not pause them.")
        if paused and len(paused) != len(losses):
            raise ValueError(
                f"{len(paused)} paused runs for {len(losses)} losses; give one per loss, or none."
            )
        rows = None if test is None else Rows.of(test, self.problem, self.device, self._dtype)
        results: dict[int, Trained] = {}
        for part in self._batches(seeds):
            trained = train_together(
                self.network, self.train_rows, self.validation_rows, self.population([losses[i] for i in part]),
                self.metric, self.training, schedule, [rates[i] for i in part], [seeds[i] for i in part], rows,
                until, [paused[i] for i in part] if paused else (), keep,
            )  # fmt: skip
            results |= dict(zip(part, trained, strict=True))
        return [results[i] for i in range(len(losses))]

    def _batches(self, seeds: Sequence[int]) -> list[list[int]]:
        """Places of the networks that are trained as one batch.

        Dropout masks are common to a batch, so a network that draws them shares one with its own seed alone.
        """
        groups: dict[int, list[int]] = {}
        for place, seed in enumerate(seeds):
            groups.setdefault(seed if self._random else 0, []).append(place)
        return [
            group[start : start + self.width]
            for group in groups.values()
            for start in range(0, len(group), self.width)
        ]

    def search_seed(self, index: int) -> int:
        """Seed of the `index`-th partial training of every candidate."""
        return stream(self.source.seed, "search", index)

    # Scale

    @cached_property
    def initial_snapshot(self) -> Snapshot:
        """Raw outputs of the initial network of partial training on its first batches."""
        seed = self.search_seed(0)
        order = BatchOrder(len(self.train_rows), self.training.batch_size, seed)
        state = initial_state(self.network, [seed])
        raws, targets = [], []
        for step in range(_MATCHING_BATCHES):
            batch = self.train_rows[torch.as_tensor(order[step], device=self.device)]
            raws.append(self.network.outputs(state, batch.x))
            targets.append(batch.target)
        return Snapshot(torch.cat(raws, dim=1), torch.cat(targets))

    @cached_property
    def _task_loss(self) -> Population:
        return self.population([task_loss(self.problem)])

    @cached_property
    def _reference_norm(self) -> float:
        return float(gradient_norms(self._task_loss, self.initial_snapshot)[0])

    def match_scale(self, losses: Sequence[Loss]) -> list[Loss]:
        """The losses at the scale where their gradient norm equals the task loss's at the initial network.

        With `training.scale: free` they come back as they are.
        """
        if self.training.scale == "free" or not losses:
            return list(losses)
        population = self.population(losses)
        scales = matched_scales(losses, population, self._reference_norm, self.initial_snapshot)
        return [loss.with_scale(scale) for loss, scale in zip(losses, scales, strict=True)]

    # Tuning

    def tune(self, losses: Sequence[Loss], *, steps: int | None = None) -> list[Tuned]:
        """Tune the weights of losses by meta-gradients under the recipe's tuning settings; see `Tuner`.

        Args:
            losses: at their start weights; those without weights come back as they are.
            steps: in place of the recipe's.
        """
        settings = self.source.tuning
        tuner = self.tuner(settings if steps is None else settings.model_copy(update={"steps": steps}))
        return [
            tuned
            for start in range(0, len(losses), self.width)
            for tuned in tuner.tune(losses[start : start + self.width])
        ]

    def tuner(self, settings: TuningSettings) -> Tuner:
        """A tuner on this engine's states."""
        nesterov = self.training.optimizer == "sgd" and self.training.nesterov
        momentum = self.training.momentum if self.training.optimizer == "sgd" else 0.0
        matched = self.training.scale == "matched"
        return Tuner(
            self._meta, settings, self._tuning_step, self._triple, self.population,
            self._small_snapshot if matched else None, self._small_reference if matched else 0.0,
            (momentum, nesterov), first_step_rate(self.training, self.lr), self.path,
        )  # fmt: skip

    @cached_property
    def path(self) -> Path:
        """How Jacobian-vector products of this network are taken."""
        index = torch.arange(min(2, len(self.train_rows)), device=self.device)
        state = self.network.initial(0)
        return self._meta.probe(TuningStep(state, self.train_rows[index], self.validation_rows[index]))

    @property
    def _meta(self) -> MetaGradient:
        decay = self.training.weight_decay if self.training.optimizer == "sgd" else 0.0
        return MetaGradient(self.network, self._task_loss, first_step_rate(self.training, self.lr), decay)

    @cached_property
    def _small_snapshot(self) -> Snapshot:
        size = min(self.training.batch_size, self.initial_snapshot.raw.shape[1])
        raw, target = self.initial_snapshot.raw[:, :size], self.initial_snapshot.target[:size]
        return Snapshot(raw, target, self._task_loss.compare(raw, target))

    @cached_property
    def _small_reference(self) -> float:
        return float(gradient_norms(self._task_loss, self._small_snapshot)[0])

    @cached_property
    @timed("training")
    def trajectory(self) -> Trajectory:
        """States along a task-loss run, of a seed of its own."""
        seed = stream(self.source.seed, "tuning", "trajectory")
        return Trajectory(
            self.network, self.train_rows, self.validation_rows, self._task_loss, self.metric, self.training,
            self.training.steps, self.lr, seed,
        )  # fmt: skip

    def _tuning_step(self, index: int) -> TuningStep:
        seed = stream(self.source.seed, "tuning")
        rows = (self.train_rows, self.validation_rows, self.training.batch_size, seed, index)
        if self.source.tuning.states == "trajectory":
            return trajectory_step(self.trajectory.states, *rows)
        return initial_step(self.network, *rows)

    @cached_property
    def _triples(self) -> dict[int, Triple]:
        return {}

    def _triple(self, index: int) -> Triple:
        """Triples are kept within a memory limit; past it, tuning goes round the ones that fit."""
        rows = min(self.training.batch_size, len(self.train_rows))
        most = max(HELD_OUT + 1, _TRIPLE_BYTES // (rows * self.problem.output_dim * 16))
        steps = self.source.tuning.steps
        place = index if steps + HELD_OUT <= most or index >= steps else index % (most - HELD_OUT)
        if place not in self._triples:
            step = self._tuning_step(place)
            if self.path is Path.LOOP:
                raise EvaluationError(
                    "this network has neither forward mode nor double backward, which tuning needs; set `tuning: none`."
                )
            raw, direction = self._meta.at_start(step, self.path)
            target = step.train.target
            self._triples[place] = Triple(raw, target, direction, self._task_loss.compare(raw, target))
        return self._triples[place]

    # Probes

    @timed("filters")
    def raw_gradients(self, losses: Sequence[Loss]) -> Tensor:
        """Gradients with respect to raw outputs, on three network states.

        The states are the initial network, the same with sharpened outputs, and the end of a task-loss run.

        Returns:
            `(P, 3, rows * outputs)`, unreduced over fixed training rows, scales included.
        """
        return signatures(self.population(losses), self._signature_states)

    @cached_property
    def _signature_states(self) -> list[Snapshot]:
        rows = max(8, _SIGNATURE_ELEMENTS // self.problem.output_dim)
        fixed = self._fixed_rows(min(rows, len(self.train_rows)), "signature")
        start = self.network.outputs(initial_state(self.network, [self.search_seed(0)]), fixed.x)
        late = self.network.outputs(self.trajectory.final, fixed.x)
        return [Snapshot(raw, fixed.target) for raw in (start, start * SHARPENED, late)]

    @timed("filters")
    def gradient_ratios(self, losses: Sequence[Loss]) -> Tensor:
        """`(P,)` raw-output gradient norms over the task loss's, at the initial network; not finite for a bad loss."""
        population = self.population([loss.with_scale(1.0) for loss in losses])
        return gradient_norms(population, self.initial_snapshot) / self._reference_norm

    @timed("filters")
    def improvements(
        self, losses: Sequence[Loss], steps: int | None = None, enough: float = math.inf
    ) -> Tensor:
        """`(P,)` improvements of the metric from optimising free outputs; see `probes.improvements`."""
        count = steps or (100 if self.problem.is_classification else 1000)
        fixed = self._fixed_rows(min(_REJECTION_ROWS, len(self.train_rows)), "rejection")
        seed = stream(self.source.seed, "rejection")
        snapshot = Snapshot(self.network.outputs(initial_state(self.network, [seed]), fixed.x), fixed.target)
        # Calibration gets worse while free outputs get right: what counts here is whether they do.
        metric = get_metric("error", self.problem) if self.metric.name == "ece" else self.metric
        return improvements(self.population, losses, snapshot, metric, count, enough)

    def rejects(self, losses: Sequence[Loss]) -> list[bool]:
        """Which tuned losses the rejection filter takes out; none unless `filters.after_tuning` is on."""
        if self.source.rejection is None or not losses:
            return [False] * len(losses)
        gains = self.improvements(losses, enough=self.source.rejection)
        return [not gain > self.source.rejection for gain in gains.tolist()]

    def _fixed_rows(self, count: int, name: str) -> Rows:
        chosen = generator(self.source.seed, name).choice(len(self.train_rows), size=count, replace=False)
        return self.train_rows[torch.as_tensor(chosen, device=self.device)]


def _each(value: float | int | Sequence[float] | Sequence[int], count: int) -> list:  # type: ignore[type-arg]
    if isinstance(value, Sequence):
        if len(value) != count:
            raise ValueError(f"{len(value)} values for {count} losses; give one, or one per loss.")
        return list(value)
    return [value] * count


_ENGINES: OrderedDict[str, Engine] = OrderedDict()


def _restore(token: str, source: EngineSource) -> Engine:
    """The engine of a token, made once in each process; the last two are kept."""
    if token not in _ENGINES:
        while len(_ENGINES) > 1:
            _ENGINES.popitem(last=False)
        _ENGINES[token] = Engine(source, token)
    _ENGINES.move_to_end(token)
    return _ENGINES[token]
