"""The ledger: the record of every candidate, an Optuna study.

One study a search, one trial a candidate; the task loss is trial 0. Trials are recorded when their generation is done, in
ask order, one durable append each. What makes a run resumable in mid-generation are *chunk records*: the results of each
finished chunk of each stage, kept as user attributes of the study.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from automl_loss.errors import ResumeError
from automl_loss.expression import PrimitiveSet
from automl_loss.losses.serialize import loss_from_json
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.search.journal import open_journal
from automl_loss.search.run_directory import RunDirectory

_STATES = {
    Status.EVALUATED: TrialState.COMPLETE,
    Status.CACHED: TrialState.COMPLETE,
    Status.PRUNED: TrialState.PRUNED,
    Status.REJECTED: TrialState.PRUNED,
    Status.DIVERGED: TrialState.PRUNED,
    Status.FAILED: TrialState.FAIL,
}
_CHUNK = "chunk:"


class Ledger:
    """Trials and chunk records of one search. Use `open`.

    Args:
        study: the Optuna study.
        primitives: words that recorded losses may be made of.
    """

    def __init__(self, study: optuna.Study, primitives: PrimitiveSet | None = None) -> None:
        self._study = study
        self._primitives = primitives
        self._records: dict[str, Any] = {
            key.removeprefix(_CHUNK): value for key, value in study.user_attrs.items() if key.startswith(_CHUNK)
        }
        self._trials = {
            int(trial.user_attrs["id"]): trial for trial in study.get_trials(deepcopy=False) if "id" in trial.user_attrs
        }
        self.session = uuid.uuid4().hex[:8]

    @classmethod
    def open(
        cls, directory: RunDirectory, name: str, storage: str | None = None, primitives: PrimitiveSet | None = None
    ) -> Ledger:
        """The ledger of a run directory, made when it is new.

        Args:
            directory: whose lock is held.
            name: of the study.
            storage: an Optuna storage URL; `None`: a journal in the run directory.
            primitives: words that recorded losses may be made of.

        Raises:
            ResumeError: a journal is damaged, or the storage holds no such study to go on with.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        place: Any = open_journal(directory.journal) if storage is None else storage
        sampler = optuna.samplers.RandomSampler(seed=0)
        try:
            study = optuna.create_study(
                storage=place, study_name=name, direction="minimize", sampler=sampler, load_if_exists=directory.resumed
            )
        except optuna.exceptions.DuplicatedStudyError:
            raise ResumeError(
                f"storage {storage} already holds a study {name!r}; give the recipe another `name`, or use --resume."
            ) from None
        except (KeyError, ValueError) as error:
            where = directory.journal if storage is None else storage
            raise ResumeError(f"{where} cannot be read as an Optuna storage ({error}); it is left untouched.") from error
        return cls(study, primitives)

    def close(self) -> None:
        """Let go of the storage's connections."""
        self._study._storage.remove_session()

    # Trials

    def record(self, outcome: Outcome, candidate: Candidate, *, chunk: str, lr: float) -> None:
        """Record an outcome as a trial, durably.

        Raises:
            ValueError: a completed outcome has no finite fitness.
        """
        state = _STATES[outcome.status]
        fitness = None if outcome.fitness is None else float(outcome.fitness)
        if state is TrialState.COMPLETE and (fitness is None or not math.isfinite(fitness)):
            raise ValueError(f"candidate {outcome.id} is {outcome.status.value} with fitness {fitness}; expected a number.")
        loss = outcome.loss
        attributes = {
            "id": outcome.id,
            "chunk": chunk,
            "expression": str(getattr(loss, "expression", loss.key)),
            "loss": json.dumps(loss.to_json()),
            "complexity": loss.complexity,
            "generation": candidate.generation,
            "parents": list(candidate.parents),
            "status": outcome.status.value,
            "seconds": outcome.seconds,
            "key": candidate.loss.key,
            "source_id": outcome.source_id,
            "lr": lr,
            "metrics": dict(outcome.metrics),
            "steps": outcome.steps,
            "message": outcome.message,
            "rungs": list(outcome.rungs),
            "overrides": dict(candidate.overrides),
        }
        trial = optuna.trial.create_trial(
            state=state,
            value=fitness if state is TrialState.COMPLETE else None,
            user_attrs=_plain(attributes),
            intermediate_values={i: float(value) for i, value in enumerate(outcome.rungs)},
        )
        self._study.add_trial(trial)
        self._trials[outcome.id] = self._study.get_trials(deepcopy=False)[-1]

    def outcomes(self) -> dict[int, Outcome]:
        """Recorded outcomes by candidate id, equal bit for bit to what was recorded; the latest counts."""
        return {number: self._outcome(trial) for number, trial in self._trials.items()}

    def asked(self, number: int) -> str | None:
        """Key of the loss that was asked for as a candidate, or `None` when it is not on record."""
        trial = self._trials.get(number)
        return None if trial is None else trial.user_attrs["key"]

    def trial_number(self, number: int) -> int | None:
        """Optuna's number of a candidate's trial."""
        trial = self._trials.get(number)
        return None if trial is None else trial.number

    def _outcome(self, trial: optuna.trial.FrozenTrial) -> Outcome:
        data = dict(trial.user_attrs)
        data["loss"] = json.loads(data["loss"])
        data["fitness"] = trial.value if trial.state is TrialState.COMPLETE else None
        return outcome_from_json(data, self._primitives)

    # Chunk records

    def remember(self, key: str, value: Any) -> None:
        """Record plain data durably."""
        plain = _plain(value)
        self._study.set_user_attr(_CHUNK + key, plain)
        self._records[key] = plain

    def recall(self, key: str) -> Any:
        """What was recorded under a key, or `None`."""
        return self._records.get(key)

    def recall_prefix(self, prefix: str) -> dict[str, Any]:
        """All records whose key begins so, by the rest of the key."""
        return {key.removeprefix(prefix): value for key, value in self._records.items() if key.startswith(prefix)}

    def remember_outcomes(self, key: str, outcomes: Sequence[Outcome]) -> None:
        """Record what a chunk gave."""
        self.remember(key, [outcome_to_json(outcome) for outcome in outcomes])

    def recall_outcomes(self, key: str) -> list[Outcome] | None:
        """What a chunk gave, or `None` when it is not on record or held a fault, which is tried again."""
        stored = self.recall(key)
        if stored is None:
            return None
        outcomes = [outcome_from_json(item, self._primitives) for item in stored]
        return None if any(outcome.status is Status.FAILED for outcome in outcomes) else outcomes


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain data."""
    return {
        "id": outcome.id,
        "status": outcome.status.value,
        "fitness": outcome.fitness,
        "loss": outcome.loss.to_json(),
        "metrics": dict(outcome.metrics),
        "rungs": list(outcome.rungs),
        "steps": outcome.steps,
        "seconds": outcome.seconds,
        "source_id": outcome.source_id,
        "message": outcome.message,
    }


def outcome_from_json(data: Mapping[str, Any], primitives: PrimitiveSet | None = None) -> Outcome:
    """The outcome that `outcome_to_json` wrote, equal bit for bit."""
    return Outcome(
        id=data["id"],
        status=Status(data["status"]),
        fitness=data["fitness"],
        loss=loss_from_json(data["loss"], primitives),
        metrics=data["metrics"],
        rungs=tuple(data["rungs"]),
        steps=data["steps"],
        seconds=data["seconds"],
        source_id=data["source_id"],
        message=data["message"],
    )


def _plain(value: Any) -> Any:
    """Plain Python data: a journal refuses numpy's scalars, and memory would let them pass."""
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot be recorded: JSON has no such number; use None.")
    return value
