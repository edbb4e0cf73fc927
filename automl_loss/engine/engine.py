"""The engine of one task: trains, tunes and differentiates under many losses at once."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from automl_loss.engine.clock import timed
from automl_loss.engine.data.corruption import corrupt
from automl_loss.engine.data.development import DevelopmentTask
from automl_loss.engine.data.resplit import resplit
from automl_loss.engine.data.rows import Rows
from automl_loss.engine.data.values import check_splits
from automl_loss.engine.engine_spec import EngineSpec, class_prior, problem_of
from automl_loss.engine.filter_measurements import SHARPENED, improvements, signatures
from automl_loss.engine.metrics.metric import Metric, get_metric
from automl_loss.engine.network.network import Network, State
from automl_loss.engine.network.width import width_for
from automl_loss.engine.population import Population
from automl_loss.engine.scale_matching import ScaleMatching, Snapshot, gradient_norms, initial_snapshot
from automl_loss.engine.settings import Resplit, TrainingSettings, TuningSettings
from automl_loss.engine.training.lane import Lane, Schedule, Trained, checked_lr, groups_of
from automl_loss.engine.training.old_signature import is_old, lanes_of
from automl_loss.engine.training.train import Trainer, initial_state
from automl_loss.engine.tuning.meta_gradient import InnerStep, MetaGradient, Path
from automl_loss.engine.tuning.tuner import Tuned, Tuner
from automl_loss.engine.tuning.tuning_steps import TuningSteps, snapshot_schedule, tuning_states
from automl_loss.engine.worker_engines import engine_here
from automl_loss.errors import EvaluationError
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import task_loss
from automl_loss.plugins.task import Split
from automl_loss.seeds import generator, stream

_REJECTION_ROWS = 100
_SIGNATURE_ELEMENTS = 1024


@final
class Engine:
    """The `TrainingEngine` of one task and one model.

    Every random number is a function of the run seed and the stage, so that all losses of a run meet the same
    networks and batches. An engine pickles as its spec; a worker process makes it once.

    Args:
        spec: what it is made from.
        token: names its data and network in worker processes; default: a fresh one.

    Raises:
        EvaluationError: device, data or network cannot be worked with.
    """

    def __init__(self, spec: EngineSpec, token: str | None = None) -> None:
        self.spec = spec
        self._token = token or uuid.uuid4().hex
        self.device = torch.device(spec.device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise EvaluationError("device 'cuda' was asked for, but torch finds no GPU; use `--device cpu`.")
        self._dtype: torch.dtype = getattr(torch, spec.dtype)
        whole = spec.task()
        self.task = DevelopmentTask(whole) if spec.options.development else whole
        stated = problem_of(self.task, spec.options)
        given = self.task.splits(spec.seed)
        fewest = 2 if spec.options.cleaner_validation else 1  # clean rows are trained on, and validated with
        check_splits(given, stated, type(whole).__name__, spec.dtype, fewest)
        splits = corrupt(given, spec.options, stated, spec.seed)
        self.problem = replace(stated, class_prior=class_prior(splits.train.y, stated))
        self.train_rows = Rows.of(splits.train, self.problem, self.device, self._dtype)
        self.validation_rows = Rows.of(splits.validation, self.problem, self.device, self._dtype)
        self.metric: Metric = get_metric(self.problem.metric, self.problem, spec.folder)
        mixed = spec.training.precision == "bfloat16"
        self.network = Network(spec.model(), self.problem, self.device, self._dtype, mixed=mixed)
        batchable, self._random = self.network.probe(next(self.train_rows.blocks(2)))
        self.width = (spec.training.width or width_for(self.network, batchable=batchable)) if batchable else 1
        self._resplit: tuple[Resplit, Trainer] | None = None

    def __reduce__(self) -> tuple[Callable[[EngineSpec, str], Engine], tuple[EngineSpec, str]]:
        return engine_here, (self.spec, self._token)

    @property
    def seed(self) -> int:
        """The run seed."""
        return self.spec.seed

    @property
    def training(self) -> TrainingSettings:
        """Settings of partial training."""
        return self.spec.training

    @property
    def lr(self) -> float:
        """Learning rate of partial training."""
        if self.training.lr == "auto":
            raise EvaluationError(
                "the learning rate is still `auto`; select one first, see `Engine.with_lr`."
            )
        return self.training.lr

    @property
    def schedule(self) -> Schedule:
        """Length, rungs, milestones and stopping rule of partial training."""
        own = self.training
        return Schedule(own.steps, self.spec.stop, rungs=own.rungs, milestones=own.milestones)

    def with_lr(self, lr: float) -> Engine:
        """The same engine at a learning rate; the data are shared.

        Raises:
            ValueError: it is no finite number above 0.
        """
        return self.with_training(lr=checked_lr(lr))

    def with_training(self, **changes: Any) -> Engine:
        """The same engine under other settings of training; data and network are shared."""
        other = object.__new__(Engine)
        other.__dict__ = {
            k: v
            for k, v in self.__dict__.items()
            if not isinstance(getattr(Engine, k, None), cached_property)
        }
        other.spec = replace(self.spec, training=self.training.model_copy(update=changes))
        other._resplit = None
        return other

    @property
    def redrawable(self) -> bool:
        """Whether training and validation rows are of one kind, so that lanes may have them drawn anew."""
        options = self.spec.options
        return self.task.exchangeable and options.imbalance == 1 and not options.cleaner_validation

    @property
    def parts(self) -> tuple[Engine, ...]:
        """The engines of single tasks that this one stands for: itself."""
        return (self,)

    def fingerprint(self) -> dict[str, str]:
        """Digests of the rows that a search sees, by split."""
        splits = {"train": self.train_rows, "validation": self.validation_rows}
        return {name: _digest(rows.stored, rows.target) for name, rows in splits.items()}

    def population(self, losses: Sequence[Loss]) -> Population:
        """Losses, ready to be differentiated together."""
        return Population(losses, self.problem, self.device, self._dtype, compiled=self.spec.compiled)

    # Training

    def train(
        self,
        lanes: Sequence[Lane],
        schedule: Schedule | None = None,
        *,
        test: Split | None = None,
        **old: Any,
    ) -> list[Trained]:
        """Train base networks, one per lane: fresh ones, or ones that were paused.

        Law: pausing changes no bit of a run that goes on in the same company; in another one, last bits may
        change, as they do with any batch.

        Args:
            lanes: what to train.
            schedule: of all lanes; default: partial training's.
            test: rows to give raw outputs for; only retraining has any.
            **old: keywords of this method before there were lanes, for one more release.

        Returns:
            One result per lane, in order; a loss that diverges is a result, not an error.

        Raises:
            ValueError: test rows are given for a part of a run, or lanes do not go together.
        """
        if is_old(lanes, old):
            lanes, schedule = lanes_of(self, lanes, old)
        schedule = schedule or self.schedule
        if test is not None and (schedule.end < schedule.steps or any(lane.paused for lane in lanes)):
            raise ValueError("test rows go with whole runs; do not pause them.")
        rows = None if test is None else Rows.of(test, self.problem, self.device, self._dtype)
        results: dict[int, Trained] = {}
        for batch in self._batches(lanes):
            own = [lanes[i] for i in batch]
            population = self.population([lane.loss for lane in own])
            trained = self._trainer(own[0].rows).run(population, own, schedule, rows)
            results |= dict(zip(batch, trained, strict=True))
        return [results[i] for i in range(len(lanes))]

    def _batches(self, lanes: Sequence[Lane]) -> list[list[int]]:
        """Indices of the lanes that are trained as one batch: those on equal rows, as wide as the network allows.

        Dropout masks are common to a batch, so a network that draws them shares one with its own seed alone.
        """
        groups = groups_of([(lane.rows, lane.seed if self._random else None) for lane in lanes])
        return [
            group[start : start + self.width]
            for group in groups
            for start in range(0, len(group), self.width)
        ]

    def _trainer(self, rows: Resplit | None = None) -> Trainer:
        """Trains on the task's rows, or on rows that are split anew; the last such split is kept."""
        whole = Trainer(self.network, self.train_rows, self.validation_rows, self.metric, self.training)
        if rows is None:
            return whole
        if self._resplit is None or self._resplit[0] != rows:
            train, validation = resplit(self.train_rows, self.validation_rows, rows, self.seed)
            self._resplit = rows, replace(whole, train=train, validation=validation)
        return self._resplit[1]

    def search_seed(self, index: int) -> int:
        """Seed of the `index`-th partial training of every candidate."""
        return stream(self.seed, "search", index)

    @cached_property
    @timed("training")
    def _task_loss_run(self) -> Trained:
        """A run under the task loss, of a seed of its own, with the snapshots that tuning and filters look at."""
        schedule = snapshot_schedule(self.network, self.training.steps, self.training.milestones)
        lane = Lane(task_loss(self.problem), self.lr, stream(self.seed, "tuning", "trajectory"))
        return self._trainer().run(self._task_loss, [lane], schedule)[0]

    # Scale

    @cached_property
    def matching(self) -> ScaleMatching:
        """Gradient norms at the initial network of partial training, on its first batches."""
        snapshot = initial_snapshot(self._trainer(), self.search_seed(0))
        return ScaleMatching(snapshot, self._task_loss, self.training.batch_size)

    @cached_property
    def _task_loss(self) -> Population:
        return self.population([task_loss(self.problem)])

    def match_scale(self, losses: Sequence[Loss]) -> list[Loss]:
        """The losses at the scale where their gradient norm equals the task loss's at the initial network.

        With `training.scale: free` they come back as they are.
        """
        if self.training.scale == "free" or not losses:
            return list(losses)
        return self.matching.matched(self.population(losses))

    # Tuning

    def tune(self, losses: Sequence[Loss], *, steps: int | None = None) -> list[Tuned]:
        """Tune the weights of losses by meta-gradients under the recipe's tuning settings; see `Tuner`.

        Args:
            losses: at their start weights; those without weights come back as they are.
            steps: in place of the recipe's.
        """
        settings = self.spec.tuning
        tuner = self.tuner(settings if steps is None else settings.model_copy(update={"steps": steps}))
        return [
            tuned
            for start in range(0, len(losses), self.width)
            for tuned in tuner.tune(losses[start : start + self.width])
        ]

    def tuner(self, settings: TuningSettings) -> Tuner:
        """A tuner on this engine's states."""
        matching = self.matching if self.training.scale == "matched" else None
        return Tuner(self.tuning_steps, settings, self.population, matching)

    @property
    def path(self) -> Path:
        """How Jacobian-vector products of this network are taken."""
        return self.tuning_steps.path

    @cached_property
    def tuning_steps(self) -> TuningSteps:
        """The states that losses are tuned on."""
        meta = MetaGradient(self.network, self._task_loss, InnerStep.of(self.training, self.lr))
        along = self._tuning_states if self.spec.tuning.states == "trajectory" else None
        return TuningSteps(self._trainer(), meta, self.seed, self.spec.tuning.steps, along)

    def _tuning_states(self) -> list[State]:
        return tuning_states(self._task_loss_run, self.network, self.training.steps)

    # What the filters measure

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
        late = self.network.outputs(self._late_state, fixed.x)
        return [Snapshot(raw, fixed.target) for raw in (start, start * SHARPENED, late)]

    @property
    def _late_state(self) -> State:
        """The end of the task-loss run, or its last finite state."""
        snapshots = self._task_loss_run.snapshots
        return snapshots[max(snapshots)]

    @timed("filters")
    def gradient_ratios(self, losses: Sequence[Loss]) -> Tensor:
        """`(P,)` raw-output gradient norms over the task loss's, at the initial network; not finite for a bad loss."""
        population = self.population([loss.with_scale(1.0) for loss in losses])
        return gradient_norms(population, self.matching.snapshot) / self.matching.reference

    @timed("filters")
    def improvements(
        self, losses: Sequence[Loss], steps: int | None = None, enough: float = math.inf
    ) -> Tensor:
        """`(P,)` improvements of the metric from optimising free outputs; see `filter_measurements.improvements`."""
        count = steps or (100 if self.problem.is_classification else 1000)
        fixed = self._fixed_rows(min(_REJECTION_ROWS, len(self.train_rows)), "rejection")
        seed = stream(self.seed, "rejection")
        snapshot = Snapshot(self.network.outputs(initial_state(self.network, [seed]), fixed.x), fixed.target)
        # Calibration gets worse while free outputs get right: what counts here is whether they do.
        metric = get_metric("error", self.problem) if self.metric.name == "ece" else self.metric
        return improvements(self.population, losses, snapshot, metric, count, enough)

    def rejects(self, losses: Sequence[Loss]) -> list[bool]:
        """Which tuned losses the rejection filter takes out; none unless `filters.after_tuning` is on."""
        if self.spec.rejection is None or not losses:
            return [False] * len(losses)
        gains = self.improvements(losses, enough=self.spec.rejection)
        return [not gain > self.spec.rejection for gain in gains.tolist()]

    def _fixed_rows(self, count: int, name: str) -> Rows:
        chosen = generator(self.seed, name).choice(len(self.train_rows), size=count, replace=False)
        return self.train_rows[torch.as_tensor(chosen, device=self.device)]


def _digest(*tensors: Tensor) -> str:
    """Digest of tensors' bytes."""
    state = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        state.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()
