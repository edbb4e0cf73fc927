"""Filter out losses that cannot be worth training, or that were trained before, at little cost.

They are the same for every strategy. Measurements are pure and run on the executor; equivalence is resolved
in candidate order, in the main process, against the archive.

1. Symbolic equivalence: the canonical key was seen before.
2. Useless gradient: no gradient reaches the raw outputs, or a non-finite one.
3. Rejection: optimising free outputs under the loss does not improve the metric (AutoLoss-Zero, arXiv
   2103.14026).
4. Gradient equivalence: per-sample raw-output gradients on three states equal an earlier candidate's within
   1 %.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import task_loss
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.executor import Failure
from automl_loss.plugins.outcome import Status
from automl_loss.plugins.training_engine import TrainingEngine
from automl_loss.recipe.core_sections import FilterSettings
from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.isolation import costs_only_itself, isolate
from automl_loss.record.workers import Workers

LEAST_GRADIENT = 1e-6
"""Gradient norm of a loss at the initial network, relative to the task loss's, below which it is rejected."""
_SAME_GRADIENT = 0.01
_HUNG = "hung/"
"""Chunk records of losses whose measurement hung, by candidate id."""
_CHUNK = 16
"""Losses measured in one batch: a dozen take hardly longer than one, whatever the network."""

Signature = npt.NDArray[np.float32]


@dataclass
class Verdict:
    """Result of the filters for a generation.

    Args:
        survivors: candidates to evaluate, in order.
        rejected: reason by candidate id.
        hung: by candidate id, how the measurement of one ended that took too long or ended its worker, and the reason.
        source: by candidate id, the id of the earlier candidate whose outcome it shares.
        hits: number of candidates that each filter took out.
    """

    survivors: list[Candidate] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)
    hung: dict[int, tuple[Status, str]] = field(default_factory=dict)
    source: dict[int, int] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)


class Archive:
    """Keys and gradient signatures of all candidates that were evaluated or rejected in this run."""

    def __init__(self) -> None:
        self._keys: dict[tuple[object, ...], int] = {}
        self._signatures: list[Signature] = []
        self._norms: list[Signature] = []
        self._owners: list[tuple[int, tuple[object, ...]]] = []

    def find(self, candidate: Candidate) -> int | None:
        """Return the earlier candidate with the same key and overrides."""
        return self._keys.get(_key(candidate))

    def add_key(self, candidate: Candidate) -> None:
        """Add a candidate's key; the first candidate with a key keeps it."""
        self._keys.setdefault(_key(candidate), candidate.id)

    def match(self, candidate: Candidate, signature: Signature) -> int | None:
        """Return the earliest candidate with the same overrides whose gradients are within 1 % on every state."""
        if not self._signatures:
            return None
        own, others = _norms(signature), np.stack(self._norms)
        limits = _SAME_GRADIENT * np.minimum(others, own)
        # Two vectors differ by at least the difference of their lengths, which rules out nearly all pairs; the margin
        # is for rounding.
        for i in np.flatnonzero((np.abs(others - own) <= 1.001 * limits).all(axis=1)):
            owner, overrides = self._owners[i]
            near = (_norms(self._signatures[i] - signature) <= limits[i]).all()
            if near and overrides == _overrides(candidate):
                return owner
        return None

    def add_signature(self, candidate: Candidate, signature: Signature) -> None:
        """Add a candidate's gradients."""
        self._signatures.append(signature)
        self._norms.append(_norms(signature))
        self._owners.append((candidate.id, _overrides(candidate)))


class Screen:
    """Applies the filters to generations.

    Args:
        settings: which filters are on.
        engine: measures the losses.
        workers: the executor that runs the measurements.
        chunk: maximum number of losses measured in one batch.
        records: where losses whose measurement hangs are recorded, so that they are not tried again.
    """

    def __init__(
        self,
        settings: FilterSettings,
        engine: TrainingEngine,
        workers: Workers,
        chunk: int = _CHUNK,
        records: ChunkRecords | None = None,
    ) -> None:
        self.archive = Archive()
        self._settings = settings
        self._engine = engine
        self._workers = workers
        self._records = records
        self._chunk = chunk
        self._usual = task_loss(engine.problem)
        hung = {} if records is None else records.recall_prefix(_HUNG)
        self._hung = {int(number): (Status(status), text) for number, (status, text) in hung.items()}

    def screen(self, candidates: Sequence[Candidate]) -> Verdict:
        """Sort a generation into survivors, rejected and equivalent ones, and add it to the archive."""
        verdict = Verdict()
        fresh = self._unseen(candidates, verdict)
        for candidate, found in zip(fresh, self._measure(fresh), strict=True):
            if candidate.id in self._hung:
                verdict.hung[candidate.id] = self._hung[candidate.id]
                verdict.hits["hung"] += 1
                continue
            reason, name = self._objection(found)
            if reason is not None:
                verdict.rejected[candidate.id] = reason
                verdict.hits[name] += 1
                continue
            if found.signature is not None:
                twin = self.archive.match(candidate, found.signature)
                if twin is not None:
                    verdict.source[candidate.id] = twin
                    verdict.hits["gradient_equivalence"] += 1
                    continue
                self.archive.add_signature(candidate, found.signature)
            verdict.survivors.append(candidate)
        return verdict

    def _unseen(self, candidates: Sequence[Candidate], verdict: Verdict) -> list[Candidate]:
        fresh = []
        for candidate in candidates:
            if candidate.rejected is not None:
                verdict.rejected[candidate.id] = candidate.rejected
                verdict.hits["strategy"] += 1
                continue
            twin = self.archive.find(candidate) if self._settings.equivalence else None
            if twin is not None:
                verdict.source[candidate.id] = twin
                verdict.hits["equivalence"] += 1
                continue
            self.archive.add_key(candidate)
            fresh.append(candidate)
        return fresh

    def _measure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """Measurements of each candidate; of one that hangs, which is noted in `_hung`, those of the task loss."""
        stage = partial(measure, self._engine, self._settings)
        chunks = [
            tuple(candidates[start : start + self._chunk]) for start in range(0, len(candidates), self._chunk)
        ]
        losses = [tuple(map(self._loss, chunk)) for chunk in chunks]
        measured: dict[int, list[Measurement]] = {}
        for place, found in self._workers.run(stage, losses):
            if isinstance(found, Failure):
                if not costs_only_itself(found):
                    raise found.error
                isolated = isolate(self._workers, stage, losses[place], lambda _: self._usual, found)
                for item, failure in isolated.culprits.items():
                    self._note_hung(chunks[place][item], failure)
                measured[place] = isolated.results
            else:
                measured[place] = found
        return [each for place in range(len(chunks)) for each in measured[place]]

    def _loss(self, candidate: Candidate) -> Loss:
        return self._usual if candidate.id in self._hung else candidate.loss

    def _note_hung(self, candidate: Candidate, failure: Failure) -> None:
        status = Status.TIMED_OUT if isinstance(failure.error, TimeoutError) else Status.CRASHED
        self._hung[candidate.id] = (status, f"when it was measured for the filters, {failure.error}")
        if self._records is not None:
            self._records.remember(f"{_HUNG}{candidate.id}", [status.value, self._hung[candidate.id][1]])

    def _objection(self, found: Measurement) -> tuple[str | None, str]:
        if self._settings.gradient and not LEAST_GRADIENT <= found.gradient < math.inf:
            reason = (
                f"its gradient with respect to the raw outputs is {found.gradient:.3g} of the task loss's; "
                f"at least {LEAST_GRADIENT:g} is needed"
            )
            return reason, "gradient"
        if found.gain is not None and not found.gain > self._settings.rejection_threshold:
            reason = (
                f"optimising free outputs under it changed the metric by {-found.gain:+.3g}; "
                f"an improvement of more than {self._settings.rejection_threshold:g} is needed"
            )
            return reason, "rejection"
        return None, ""


@dataclass(frozen=True)
class Measurement:
    """Measurements of a loss by filters 2 to 4; `None` where an earlier filter had already rejected it."""

    gradient: float
    gain: float | None
    signature: Signature | None


def measure(engine: TrainingEngine, settings: FilterSettings, losses: Sequence[Loss]) -> list[Measurement]:
    """Stage: measure a chunk of losses; pure, runs in a worker."""
    ratios = engine.gradient_ratios(losses).tolist()
    usable = [
        i for i, ratio in enumerate(ratios) if not settings.gradient or LEAST_GRADIENT <= ratio < math.inf
    ]
    scaled = dict(zip(usable, engine.match_scale([losses[i] for i in usable]), strict=True))
    gains: dict[int, float] = {}
    asked = [i for i in usable if not losses[i].blank]
    if settings.rejection and asked:
        values = engine.improvements(
            [scaled[i] for i in asked], settings.rejection_steps, settings.rejection_threshold
        )
        gains = dict(zip(asked, values.tolist(), strict=True))
    open_ = [
        i
        for i in usable
        if not losses[i].blank and (i not in gains or gains[i] > settings.rejection_threshold)
    ]
    signatures: dict[int, Signature] = {}
    if settings.gradient_equivalence and open_:
        arrays = engine.raw_gradients([scaled[i] for i in open_]).float().cpu().numpy()
        signatures = dict(zip(open_, arrays, strict=True))
    return [Measurement(ratios[i], gains.get(i), signatures.get(i)) for i in range(len(losses))]


def _norms(signature: Signature) -> Signature:
    """Return the length of the gradients on each state."""
    lengths: Signature = np.linalg.norm(signature, axis=1)
    return lengths


def _overrides(candidate: Candidate) -> tuple[object, ...]:
    return tuple(sorted(candidate.overrides.items()))


def _key(candidate: Candidate) -> tuple[object, ...]:
    return (candidate.loss.key, *_overrides(candidate))
