"""One run, from a recipe to a result: learning rate, search, final round, retraining, files."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

from automl_loss.engine.several_tasks import SeveralTasks
from automl_loss.errors import EvaluationError, Interrupted, NoValidCandidateError, OutOfTimeError
from automl_loss.final.finalists import Finalist, as_searched, best_handcrafted, choose, final_round
from automl_loss.final.joint_retraining import retrain_jointly, with_base
from automl_loss.final.learning_rate import RateTrial, default_grid, select_lr
from automl_loss.final.result import Result
from automl_loss.final.retraining import RetrainingPlan, retrain
from automl_loss.final.training_runs import TrainingRuns
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import task_loss
from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.ledger import Ledger
from automl_loss.record.recording import Recording
from automl_loss.record.run_directory import RunDirectory
from automl_loss.record.workers import Workers
from automl_loss.search.from_recipe import RunObjects, chunk_size, in_time, suspects_of
from automl_loss.search.identity import blaming
from automl_loss.search.loop import SearchLoop, SearchState
from automl_loss.search.notices import notices
from automl_loss.search.progress import Callback, Progress, Stopwatch, overhead
from automl_loss.search.provenance import changes, provenance
from automl_loss.search.result_json import FinalRound, result_data
from automl_loss.search.run_clock import RunClock
from automl_loss.search.run_files import Output

_FEWEST_SEEDS = 2
"""Seeds of retraining that a comparison needs, also where the time is used up."""
_TIME = "time/"
"""Chunk records of what each session took, by session."""


class Run:
    """A run in its directory. `execute` may be called once.

    Args:
        objects: of the run.
        directory: held under its lock by the caller for as long as the run lasts.
        callback: called with progress, in the main process.
    """

    def __init__(
        self, objects: RunObjects, directory: RunDirectory, callback: Callback | None = None
    ) -> None:
        self._objects = objects
        self._recipe = objects.recipe
        self._directory = directory
        self._callback = callback
        self._watch = Stopwatch()
        self._output = Output(directory, objects)
        self._workers = Workers(objects.executor, self._recipe.executor_options.timeout_s)
        self._state = SearchState()
        self._cuts: list[str] = []

    def execute(self) -> Result:
        """Search, choose, retrain and write everything.

        Raises:
            Interrupted: by Ctrl-C, after what was found has been written.
            NoValidCandidateError: no candidate trained.
        """
        for notice in notices(self._objects):
            self.notify(Progress("search", message=notice))
        try:
            name, storage = self._recipe.name, self._recipe.storage
            with self._watch.stage("ledger"):
                opened = Ledger.open(self._directory, name, storage, self._objects.primitives)
                opened.settle_recipe(self._recipe)
                changed = self._settle_provenance(opened.chunks)
            if changed:
                self.notify(Progress("search", message=changed))
            with closing(opened) as ledger:
                # Until this run ends there is no result: an earlier one would stand beside a newer loss.
                self._directory.result.unlink(missing_ok=True)
                self._watch.resume(ledger.chunks.recall_prefix(_TIME).values())
                try:
                    # Screening, retraining and the like have no guard of their own.
                    with blaming(suspects_of(self._recipe), "training"):
                        return self._phases(ledger)
                except KeyboardInterrupt:
                    self._keep_time(ledger.chunks)
                    raise
        except KeyboardInterrupt:
            self._output.found_so_far(self._state)
            raise Interrupted(self._interruption()) from None
        finally:
            self._workers.close()

    def _settle_provenance(self, records: ChunkRecords) -> str:
        """Record what the run depends on, or compare it with what is on record; returns what the user should know."""
        facts = provenance(self._objects)
        recorded = records.identify(facts)
        return changes(recorded, facts, self._objects, records.path)

    def _phases(self, ledger: Ledger) -> Result:
        chunk = chunk_size(self._recipe, self._objects.engine)
        recording = Recording(self._workers, ledger.chunks, self._directory, chunk, self._count)
        runs = TrainingRuns(self._objects.engine, recording)
        clock = RunClock(self._recipe.budget.minutes, ledger.chunks, self._workers)
        with self._watch.stage("other"):
            with self._watch.phase("learning_rate"):
                runs = self._at_its_rate(runs)
            self._objects = self._output.objects = replace(self._objects, engine=runs.engine)
            listener = _Listener(self, ledger.chunks)
            loop = SearchLoop(self._objects, ledger, recording, self._watch, clock, listener)
            self._state = loop.state
            with self._watch.phase("search"):
                state = loop.run()
        self._watch.end_search(self._workers.count)
        self._keep_time(ledger.chunks)
        self._output.found_so_far(state)
        clock.limit_workers()
        finalists = self._finalists_in_time(runs, state)
        self._keep_time(ledger.chunks)
        final = self._retrain_in_time(runs, finalists, clock)
        clock.keep()
        self._keep_time(ledger.chunks)
        result = self._result(state, final, ledger, chunk)
        self._output.final(result)
        self.notify(Progress("done", message=result.verdict))
        return result

    def _result(self, state: SearchState, final: FinalRound, ledger: Ledger, chunk: int) -> Result:
        number = final.winner.id
        data = result_data(
            self._objects, state, final, None if number is None else ledger.trial_number(number)
        )
        data["name"], data["phases"] = self._directory.path.name, self._watch.phases
        data["search"] |= {**self._searched(), "chunk": chunk}
        if self._cuts:
            data["cut_by_time"] = self._cuts
            minutes = self._recipe.budget.minutes or 0.0
            data["test"]["verdict"] += f" (The {minutes:g} minutes were used up. {'; '.join(self._cuts)}.)"
        outcomes, sentence = dict(state.outcomes), str(data["test"]["verdict"])
        return Result(self._directory.path, final.loss, sentence, data, outcomes, final.finalists)

    # Phases

    def _at_its_rate(self, runs: TrainingRuns) -> TrainingRuns:
        """The engine at the learning rate of the search; with several tasks, each at its own."""
        engine = runs.engine
        if isinstance(engine, SeveralTasks):
            joint = with_base(runs, engine, lambda own, label: self._best_lr(own, f"learning-rate-{label}"))
            return replace(runs, engine=joint)
        if engine.training.lr != "auto":
            return runs
        return runs.under(engine.with_lr(self._best_lr(runs, "learning-rate")))

    def _best_lr(self, runs: TrainingRuns, stage: str) -> float:
        """The task loss's best learning rate for partial training."""
        settings, loss = runs.engine.training, task_loss(runs.engine.problem)
        trial = RateTrial(default_grid(settings.optimizer), runs.schedule(settings.steps))
        (selection,) = select_lr(runs.during("learning_rate"), stage, [loss], trial)
        if selection.fitness == float("inf"):
            rates = ", ".join(f"{lr:g}" for lr, _ in selection.tried)
            raise EvaluationError(
                f"the task loss {loss.key} diverges at every learning rate tried ({rates}); check the data for huge or "
                f"missing values, or set `training.lr`."
            )
        return selection.lr

    def _finalists_in_time(self, runs: TrainingRuns, state: SearchState) -> list[Finalist]:
        """The finalists; as the search ranks them where the time is used up."""
        try:
            return self._finalists(runs, state)
        except OutOfTimeError:
            self._cut(
                "finalists: not trained again on other seeds; the search's best are taken as it ranks them"
            )
            return as_searched(choose(state.outcomes.values(), self._recipe.finalists.count), runs.engine)

    def _retrain_in_time(self, runs: TrainingRuns, finalists: list[Finalist], clock: RunClock) -> FinalRound:
        """Retrain; where the time is used up, on as few seeds as a comparison needs."""
        settings = self._recipe.retraining
        schedule = runs.schedule(settings.steps)
        if settings.milestones is not None:
            schedule = replace(schedule, milestones=settings.milestones)
        plan = RetrainingPlan(schedule, settings.seeds, None if settings.lr == "auto" else settings.lr)
        try:
            return self._retrain(runs, finalists, plan)
        except OutOfTimeError:
            clock.release_workers()
            fewer = replace(plan, seeds=min(_FEWEST_SEEDS, plan.seeds), own_lr=True)
            self._cut(f"retraining: {fewer.seeds} of {plan.seeds} seeds, at the search's learning rate")
            return self._retrain(runs, finalists, fewer)

    def _cut(self, what: str) -> None:
        """Note what there was no time for."""
        self._cuts.append(what)
        minutes = self._recipe.budget.minutes or 0.0
        self.notify(Progress("retraining", message=f"the budget of {minutes:g} minutes is spent; {what}"))

    def _finalists(self, runs: TrainingRuns, state: SearchState) -> list[Finalist]:
        settings, engine = self._recipe.finalists, runs.engine
        chosen = choose(state.outcomes.values(), settings.count)
        if not chosen:
            raise NoValidCandidateError(_nothing_trained(state, self._recipe.strategy.label))
        grid = tuple(engine.lr * factor for factor in settings.lr_factors)
        trial = RateTrial(grid, runs.schedule(settings.steps), seeds=1)
        with self._watch.phase("handcrafted"):
            handcrafted = best_handcrafted(runs.during("handcrafted"), trial, settings.handcrafted)
        found = {outcome.loss.key for outcome in chosen}
        rivals = [loss for loss in handcrafted if loss.key not in found]
        redrawn = tuple(range(settings.seeds)) if settings.redraw and engine.redrawable else (None,)
        trial = replace(trial, seeds=settings.seeds, rows=redrawn)
        with self._watch.phase("finalists"):
            return final_round(runs.during("finalists"), chosen, rivals, trial)

    def _retrain(self, runs: TrainingRuns, finalists: list[Finalist], plan: RetrainingPlan) -> FinalRound:
        """Retrain the best found and the best handcrafted loss beside the task loss."""
        usual = task_loss(runs.engine.problem)
        losses: dict[str, Loss] = {"task_loss": usual}
        for finalist in finalists:
            name = "handcrafted" if finalist.id is None else "found"
            if name not in losses and finalist.loss.key != usual.key:
                losses[name] = finalist.loss
        best = finalists[0]
        returned = (
            "task_loss" if best.loss.key == usual.key else "handcrafted" if best.id is None else "found"
        )
        with self._watch.phase("retraining"), in_time(self._recipe, "the test rows and the metric on them"):
            if isinstance(runs.engine, SeveralTasks):
                joint = retrain_jointly(runs, runs.engine, losses, plan)
                return FinalRound(tuple(finalists), joint.whole, returned, joint)
            return FinalRound(tuple(finalists), retrain(runs, losses, plan), returned)

    # Reports

    def _count(self, phase: str, done: int, total: int) -> None:
        self.notify(Progress(phase, done, total, seconds=self._watch.elapsed))

    def notify(self, progress: Progress) -> None:
        """Hand a message to the run's callback."""
        if self._callback is not None:
            with self._watch.stage("table"):
                self._callback(progress)

    def generation(self, state: SearchState, records: ChunkRecords) -> None:
        """Write what is to be seen of a generation that was recorded."""
        with self._watch.stage("table"):
            self._output.generation(state)
        self._keep_time(records)

    def _keep_time(self, records: ChunkRecords) -> None:
        """Record what this session took so far, for the session that goes on from here."""
        records.remember(_TIME + records.session, self._watch.spent(self._workers.count))

    def _searched(self) -> dict[str, Any]:
        """Time of the search, learning rate included, in all sessions of the run."""
        workers = self._workers.count
        seconds, profile = self._watch.search(workers)
        return {"seconds": seconds, "workers": workers, "profile": profile, "overhead": overhead(profile)}

    def _interruption(self) -> str:
        return (
            f"interrupted; everything finished so far is in {self._directory.path}. "
            f"Go on with: autoloss run {self._directory.recipe} -o {self._directory.path} --resume"
        )


class _Listener:
    """Passes on to the run what its search tells."""

    def __init__(self, run: Run, records: ChunkRecords) -> None:
        self._run = run
        self._records = records

    def notify(self, progress: Progress) -> None:
        """See `Listener.notify`."""
        self._run.notify(progress)

    def generation(self, state: SearchState) -> None:
        """See `Listener.generation`."""
        self._run.generation(state, self._records)


def _nothing_trained(state: SearchState, strategy: str) -> str:
    """Why there is no finalist."""
    asked = len(state.candidates) - 1
    if not asked:
        return f"strategy {strategy} asked for no candidate at all."
    counted = ", ".join(f"{count} {status}" for status, count in state.counts.items() if count)
    return (
        f"none of {asked} candidates trained to a finite fitness ({counted}). "
        f"`leaderboard.csv` gives each one's reason; a longer budget, other primitives or fewer filters may "
        f"help."
    )
