"""The search loop: ask, filter, evaluate, record, tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from automl_loss.errors import OutOfTimeError, PluginError, ResumeError
from automl_loss.losses.handcrafted import task_loss
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.evaluator import Context
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.record.ledger import Ledger
from automl_loss.record.recording import Recording
from automl_loss.search.budget import Budget, spent
from automl_loss.search.cost import final_steps
from automl_loss.search.filters import Screen, Verdict
from automl_loss.search.from_recipe import RunObjects
from automl_loss.search.generation_map import GenerationMap
from automl_loss.search.progress import Progress, Stopwatch
from automl_loss.search.run_clock import RunClock
from automl_loss.seeds import generator


@dataclass
class SearchState:
    """State of a search.

    Args:
        outcomes: outcomes by candidate id; 0 is the task loss.
        candidates: every candidate asked for, by id.
        hits: number of candidates that each filter took out, by generation.
        best_by_generation: best fitness after each generation, `None` while there is none.
        reason: why the search ended.
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    candidates: dict[int, Candidate] = field(default_factory=dict)
    hits: list[Counter[str]] = field(default_factory=list)
    best_by_generation: list[float | None] = field(default_factory=list)
    reason: str = ""

    @property
    def ranked(self) -> list[Outcome]:
        """Return the outcomes, best first, without the task loss and the cached ones."""
        found = (o for o in self.outcomes.values() if o.id != 0 and o.status is not Status.CACHED)
        return sorted(found, key=lambda outcome: outcome.rank_key)

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of outcomes by status, without the task loss."""
        tally = Counter(outcome.status.value for outcome in self.outcomes.values() if outcome.id != 0)
        return {status.value: tally[status.value] for status in Status}


class Listener(Protocol):
    """Receives the messages of a search."""

    def notify(self, progress: Progress) -> None:
        """Receive a message."""
        ...

    def generation(self, state: SearchState) -> None:
        """Called after a generation is recorded."""
        ...


class SearchLoop:
    """Runs a strategy against an evaluator until it is done or the budget is spent.

    A loop over a ledger that already holds outcomes replays them: the strategy is told what was recorded, and only what
    is missing is computed. A resumed search therefore equals an uninterrupted one.

    Args:
        run: the objects of the run; its engine is at the learning rate of the search.
        ledger: stores outcomes.
        recording: stores chunks.
        watch: measures the time by stage.
        clock: says when the time is used up.
        listener: receives messages.
    """

    def __init__(
        self,
        run: RunObjects,
        ledger: Ledger,
        recording: Recording,
        watch: Stopwatch,
        clock: RunClock,
        listener: Listener,
    ) -> None:
        self.state = SearchState()
        self._strategy = run.strategy
        self._evaluator = run.evaluator
        self._engine = run.engine
        self._primitives = run.primitives
        self._screen = Screen(run.recipe.filters, run.engine, recording.workers, records=recording.records)
        self._budget = Budget(run.recipe.budget.candidates)
        self._clock = clock
        self._final_steps = final_steps(run.recipe, run.problem)
        self._ledger = ledger
        self._recording = recording
        self._watch = watch
        self._listener = listener
        self._recorded = {i: o for i, o in ledger.outcomes().items() if o.status is not Status.FAILED}
        self._strategy.recorded = self._recorded.keys()
        self._generation = 0
        self._generations: list[range] = []
        self._finished: dict[int, Outcome] = {}

    def run(self) -> SearchState:
        """Search, and return the final state."""
        with self._clock.replaying() if self._recorded else nullcontext():
            self._evaluate_task_loss()
        while not self._over():
            replaying = len(self.state.candidates) - 1 < max(self._recorded, default=0)
            # Replaying recorded outcomes does not count towards `budget.minutes`.
            with self._clock.replaying() if replaying else nullcontext():
                if not self._run_generation():
                    break
            self._clock.keep()
        self._clock.keep()
        self._map(0).forget_paused()
        return self.state

    def _run_generation(self) -> bool:
        """Ask for a generation, evaluate and tell it; returns whether there was one."""
        with self._watch.stage("strategy"):
            candidates = self._strategy.ask()
        if not candidates:
            self._check_replayed()
            self.state.reason = "the strategy is done"
            return False
        self._check_asked(candidates)
        outcomes = self._evaluate_generation(candidates)
        if len(outcomes) == len(candidates):
            with self._watch.stage("strategy"):
                self._strategy.tell(outcomes)
        elif not self.state.reason:
            self.state.reason = f"the budget of {self._budget.candidates} candidates is spent"
        self._generations.append(range(candidates[0].id, candidates[-1].id + 1))
        self._finish_generation()
        return True

    # One generation

    def _evaluate_generation(self, candidates: Sequence[Candidate]) -> list[Outcome]:
        """Return outcomes in ask order; fewer than candidates when the budget or the time cuts the generation."""
        try:
            with self._watch.stage("filters"):
                verdict = self._screen.screen(candidates)
        except OutOfTimeError:
            self.state.reason = self._time_is_up
            return []
        self.state.hits.append(verdict.hits)
        allowed = self._budget.remaining(self.state.outcomes)
        survivors = verdict.survivors[:allowed]
        missing = [c for c in survivors if c.id not in self._recorded]
        mapped = self._map(candidates[0].id)
        evaluated = {c.id: self._recorded[c.id] for c in survivors if c.id in self._recorded}
        if missing:
            fresh = self._evaluate_in_time(survivors, mapped)
            evaluated |= {outcome.id: outcome for outcome in fresh if outcome.id not in evaluated}
        ordered = []
        for candidate in candidates:
            outcome = self._settle(candidate, evaluated, verdict)
            if outcome is None:
                # The rest of the generation is beyond the budget.
                break
            ordered.append(outcome)
            self.state.outcomes[outcome.id] = outcome
        with self._watch.stage("ledger"), self._ledger.batch():
            for candidate, outcome in zip(candidates, ordered, strict=False):
                self._record(candidate, outcome, mapped.chunk_of.get(candidate.id, ""))
        if missing:
            # Not while replaying: paused runs then belong to the generation that was interrupted.
            mapped.forget_paused()
        return ordered

    def _evaluate_in_time(self, survivors: Sequence[Candidate], mapped: GenerationMap) -> Sequence[Outcome]:
        """Return what could be evaluated in time: the outcomes of chunks that were finished, where it was not all."""
        try:
            return self._evaluate(survivors, mapped)
        except OutOfTimeError:
            self.state.reason = self._time_is_up
            return [replace(outcome, paused=()) for outcome in self._finished.values()]

    @property
    def _time_is_up(self) -> str:
        return f"the budget of {self._clock.minutes or 0:g} minutes is spent"

    def _settle(
        self, candidate: Candidate, evaluated: dict[int, Outcome], verdict: Verdict
    ) -> Outcome | None:
        if candidate.id in evaluated:
            return evaluated[candidate.id]
        if candidate.id in verdict.rejected:
            reason = verdict.rejected[candidate.id]
            return Outcome(candidate.id, Status.REJECTED, None, candidate.loss, message=reason)
        if candidate.id in verdict.hung:
            status, reason = verdict.hung[candidate.id]
            return Outcome(candidate.id, status, None, candidate.loss, message=reason, cost=0.0)
        if candidate.id in verdict.source:
            first = self.state.outcomes.get(verdict.source[candidate.id])
            if first is None:
                return None
            status = Status.CACHED if first.status.completed else first.status
            origin = first.id if first.source_id is None else first.source_id
            return replace(
                first,
                id=candidate.id,
                status=status,
                source_id=origin,
                steps=0.0,
                seconds=0.0,
                cost=0.0,
                message=f"equivalent to candidate {origin}",
            )
        return None

    def _map(self, first: int) -> GenerationMap:
        """Make the `ChunkMap` of this generation, whose first candidate has id `first`."""
        self._finished = finished = dict[int, Outcome]()

        def on_chunk(found: Sequence[Outcome]) -> None:
            # Further runs of a candidate come back under its id: its first outcome is the one that stands alone.
            fresh = [o for o in found if not (o.id in finished and finished[o.id].status.completed)]
            finished.update({outcome.id: outcome for outcome in fresh})
            self._report("", extra=finished)
            if any(outcome.id for outcome in found):
                # From the first evaluated candidate on; without one there would be nothing to choose from.
                self._clock.limit_workers(self._reserve)

        guard = self._evaluator.stages(first, len(self._generations))
        usual = task_loss(self._engine.problem)
        return GenerationMap(self._recording, self._generation, self._primitives, guard, usual, on_chunk)

    def _evaluate(self, survivors: Sequence[Candidate], mapped: GenerationMap) -> list[Outcome]:
        context = Context(
            problem=self._engine.problem,
            engine=self._engine,
            archive=MappingProxyType(self.state.outcomes),
            rng=generator(self._engine.seed, "evaluator", self._generation),
            map=mapped,
            report=mapped.on_chunk,
            generations=tuple(self._generations),
            say=self._report,
        )
        with self._watch.stage("evaluation"):
            return self._evaluator.evaluate(survivors, context)

    def _record(self, candidate: Candidate, outcome: Outcome, chunk: str) -> None:
        if candidate.id not in self._recorded:
            self._ledger.record(outcome, candidate, chunk=chunk, lr=candidate.lr(self._engine.lr))

    def _evaluate_task_loss(self) -> None:
        """Evaluate the task loss as trial 0, so that every candidate can be compared with it from the start."""
        candidate = Candidate(0, task_loss(self._engine.problem), generation=-1)
        self._generation = -1
        self._screen.screen([candidate])
        self.state.candidates[0] = candidate
        mapped = self._map(0)
        outcome = self._recorded.get(0) or self._evaluate([candidate], mapped)[0]
        self.state.outcomes[0] = outcome
        self._record(candidate, outcome, mapped.chunk_of.get(0, ""))
        self._generation = 0
        if not outcome.status.completed:
            self._report(f"the task loss itself did not train: {outcome.message}")

    # Checks, budget, reports

    def _check_asked(self, candidates: Sequence[Candidate]) -> None:
        first = len(self.state.candidates)
        ids = [candidate.id for candidate in candidates]
        if ids != list(range(first, first + len(ids))):
            fresh = (
                " A strategy begins anew in every run, resumed or not; hand over a fresh object each time."
                if first == 1
                else ""
            )
            raise PluginError(
                f"{self._strategy.identity} asked for candidates {ids}; ids must go on from {first} and increase by "
                f"one.{fresh}"
            )
        for candidate in candidates:
            self.state.candidates[candidate.id] = candidate
            asked = self._ledger.asked(candidate.id)
            if asked is not None and asked != candidate.loss.key:
                raise self._not_repeated(
                    f"{candidate.loss.key} as candidate {candidate.id}, and the ledger holds {asked} there"
                )

    def _check_replayed(self) -> None:
        """Check that the ledger holds no outcome of a candidate that the replayed strategy did not ask for."""
        asked, recorded = len(self.state.candidates) - 1, max(self._recorded, default=0)
        if asked < recorded:
            raise self._not_repeated(f"{asked} candidates, and the ledger holds {recorded}")

    def _not_repeated(self, what: str) -> ResumeError:
        return ResumeError(
            f"{self._strategy.identity} asked for {what}: it does not repeat itself under the same seed and outcomes "
            f"(or its version changed, or it is an object that is not fresh). Start a new run instead of resuming "
            f"this one."
        )

    def _over(self) -> bool:
        asked = len(self.state.candidates) - 1
        if not self.state.reason:
            self.state.reason = self._budget.reason(self.state.outcomes, asked) or ""
        if not self.state.reason and asked >= max(self._recorded, default=0) and asked:
            # A resumed run that the time limit had stopped stops at the same point again, unless the limit is raised.
            self._clock.limit_workers(self._reserve)
            if self._clock.over(self._reserve):
                self.state.reason = self._time_is_up
        return bool(self.state.reason)

    @property
    def _reserve(self) -> float:
        """Seconds that the final stages will take, by what training took so far."""
        trained = [outcome for outcome in self.state.outcomes.values() if outcome.steps]
        steps = sum(outcome.steps for outcome in trained)
        if self._clock.minutes is None or not steps:
            return 0.0
        each = sum(outcome.seconds for outcome in trained) / steps
        return self._final_steps * each / self._recording.workers.count

    def _finish_generation(self) -> None:
        ranked = self.state.ranked
        self.state.best_by_generation.append(ranked[0].fitness if ranked else None)
        self._listener.generation(self.state)
        self._report("", ended=True)
        self._generation += 1

    def _report(self, message: str, extra: dict[int, Outcome] | None = None, *, ended: bool = False) -> None:
        outcomes = {**self.state.outcomes, **(extra or {})}
        merged = replace(self.state, outcomes=outcomes)
        self._listener.notify(
            Progress(
                stage="search",
                done=min(float(self._budget.candidates), spent(outcomes)),
                total=float(self._budget.candidates),
                generation=self._generation,
                generation_done=ended,
                best=merged.ranked[:10],
                task_loss=outcomes.get(0),
                counts=merged.counts,
                message=message,
                seconds=self._watch.elapsed,
                metric=self._engine.metric.name,
                show=self._engine.metric.shown,
            )
        )
