"""The ledger: the durable record of a search, an Optuna study with one trial a candidate.

The task loss is trial 0. Trials are added when their generation is done, in ask order. `chunks` makes each finished
piece of work durable before the generation or stage it belongs to is complete. Both are read once, on opening; after
that the ledger only appends.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Self

from optuna.trial import FrozenTrial, TrialState, create_trial

from automl_loss.expression import PrimitiveSet
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.recipe import Recipe
from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.encoding import outcome_from_json, outcome_to_json, plain
from automl_loss.record.run_directory import RunDirectory
from automl_loss.record.study import OpenStudy, database_errors, open_study, settle_study

_EARLIER_CHUNK = "chunk:"
_STATES = {
    Status.EVALUATED: TrialState.COMPLETE,
    Status.CACHED: TrialState.COMPLETE,
    Status.PRUNED: TrialState.PRUNED,
    Status.REJECTED: TrialState.PRUNED,
    Status.DIVERGED: TrialState.PRUNED,
    Status.TIMED_OUT: TrialState.PRUNED,
    Status.CRASHED: TrialState.PRUNED,
    Status.FAILED: TrialState.FAIL,
}


class _Trial(NamedTuple):
    """What the ledger holds of a candidate in memory: number, status and key of its last trial."""

    number: int
    status: str
    key: str


class Ledger:
    """Record of a run; make one with `open`.

    Law: what `record` was given is there after the process is killed right after it returns, and comes back equal bit
    for bit.

    Args:
        opened: the study and what lies under it.
        chunks: results of finished chunks.
        primitives: the words of symbolic losses, beside the standard ones.
    """

    def __init__(
        self, opened: OpenStudy, chunks: ChunkRecords, primitives: PrimitiveSet | None = None
    ) -> None:
        self.chunks = chunks
        self._primitives = primitives
        trials = opened.study.get_trials(deepcopy=False)
        self._count = len(trials)
        # A candidate whose trial failed is tried again: its last trial counts.
        self._trials = {
            t.user_attrs["id"]: _Trial(t.number, t.user_attrs["status"], t.user_attrs["key"]) for t in trials
        }
        self._opened = opened.for_writing()

    @classmethod
    def open(
        cls,
        directory: RunDirectory,
        name: str,
        storage: str | None = None,
        primitives: PrimitiveSet | None = None,
    ) -> Self:
        """The ledger of a run: a new one, or the one that is resumed.

        Args:
            directory: of the run, held by this process.
            name: of the study.
            storage: an Optuna storage URL; `None`: a journal in the run directory.
            primitives: the words of symbolic losses, beside the standard ones.

        Raises:
            ResumeError: the record is unreadable, or not one of this program.
            AutolossError: the storage cannot be opened, or holds a study of the name and the run is not
                resumed.
        """
        opened = open_study(directory.journal, name, storage, resumed=directory.resumed)
        # The first version kept chunk records among the attributes of the study.
        earlier = {
            key.removeprefix(_EARLIER_CHUNK): text
            for key, text in opened.study.user_attrs.items()
            if key.startswith(_EARLIER_CHUNK)
        }
        return cls(opened, ChunkRecords(directory.chunks, earlier), primitives)

    def settle_recipe(self, recipe: Recipe) -> None:
        """Record what may not change in the recipe, or compare it with what is on record.

        Raises:
            ResumeError: the trials were made under another recipe.
        """
        with database_errors(self._opened.place):
            settle_study(self._opened, recipe)

    def close(self) -> None:
        """Release the connection to a database."""
        self._opened.storage.remove_session()

    # Trials

    def record(self, outcome: Outcome, candidate: Candidate, *, chunk: str, lr: float) -> None:
        """Add one trial, in one durable append.

        Args:
            outcome: of the candidate.
            candidate: as asked.
            chunk: key of the chunk it was computed in; empty when it was not computed.
            lr: learning rate it was trained at.

        Raises:
            ValueError: the candidate is recorded already and did not fail.
            AutolossError: the storage cannot be written.
        """
        known = self._trials.get(candidate.id)
        if known is not None and known.status != Status.FAILED.value:
            raise ValueError(f"candidate {candidate.id} is recorded already, as trial {known.number}.")
        data = outcome_to_json(outcome)
        value = data.pop("fitness")
        loss = candidate.loss
        attributes = {
            **data,
            "loss": json.dumps(data["loss"]),
            "chunk": chunk,
            "expression": str(getattr(loss, "expression", loss.key)),
            "complexity": plain(loss.complexity),
            "key": loss.key,
            "generation": plain(candidate.generation),
            "parents": plain(candidate.parents),
            "overrides": plain(candidate.overrides),
            "lr": plain(lr),
        }
        rungs = {i: rung for i, rung in enumerate(data["rungs"]) if not isinstance(rung, str)}
        trial = create_trial(
            state=_STATES[outcome.status], value=value, user_attrs=attributes, intermediate_values=rungs
        )
        with database_errors(self._opened.place):
            self._opened.study.add_trial(trial)
        self._trials[candidate.id] = _Trial(self._count, data["status"], loss.key)
        self._count += 1

    def batch(self) -> AbstractContextManager[None]:
        """Trials recorded in the block are synchronised to disk once, at its end.

        A process that is killed within the block loses none; a machine that loses power may, and their chunk
        records give them back.
        """
        return nullcontext() if self._opened.journal is None else self._opened.journal.batch()

    def outcomes(self) -> dict[int, Outcome]:
        """Every recorded outcome by candidate id, read anew."""
        return {trial.user_attrs["id"]: self._outcome(trial) for trial in self._opened.trials()}

    def asked(self, number: int) -> str | None:
        """Key of the loss that was asked as a candidate, or `None` when it is not recorded."""
        trial = self._trials.get(number)
        return None if trial is None else trial.key

    def trial_number(self, number: int) -> int | None:
        """Optuna's number of a candidate's trial, or `None` when it is not recorded."""
        trial = self._trials.get(number)
        return None if trial is None else trial.number

    def _outcome(self, trial: FrozenTrial) -> Outcome:
        loss = json.loads(trial.user_attrs["loss"])
        return outcome_from_json({**trial.user_attrs, "fitness": trial.value, "loss": loss}, self._primitives)
