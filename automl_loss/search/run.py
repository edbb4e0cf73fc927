"""One run, from a recipe to a result: learning rate, search, final round, retraining, files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

from automl_loss.engine.joint import JointEngine
from automl_loss.errors import EvaluationError, Interrupted, NoValidCandidateError
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import task_loss
from automl_loss.search.budget import Budget
from automl_loss.search.filters import Screen
from automl_loss.search.finalists import Finalist, best_handcrafted, choose, final_round
from automl_loss.search.joint import JointlyRetrained, retrain_jointly, with_base
from automl_loss.search.lanes import LaneTrainer
from automl_loss.search.learning_rate import default_grid, select_lr
from automl_loss.search.ledger import Ledger
from automl_loss.search.loop import SearchLoop, SearchState
from automl_loss.search.notices import notices
from automl_loss.search.output import Output
from automl_loss.search.progress import Callback, Progress, Stopwatch, overhead
from automl_loss.search.result import SCHEMA, Result, test_json
from automl_loss.search.retraining import Retrained, on_clean_rows, retrain
from automl_loss.search.run_directory import RunDirectory
from automl_loss.search.setup import Setup, task_labels
from automl_loss.search.timed_executor import TimedExecutor
from automl_loss.search.verdict import against_task_loss, verdict
from automl_loss.search.versions import versions

_TIME = "time/"
"""Chunk records of what each session took, by session."""


class Run:
    """A run in its directory. `execute` may be called once.

    Args:
        setup: the run's objects.
        directory: held under its lock by the caller for as long as the run lasts.
        callback: called with progress, in the main process.
    """

    def __init__(self, setup: Setup, directory: RunDirectory, callback: Callback | None = None) -> None:
        self._executor = TimedExecutor(setup.executor)
        self._setup = replace(setup, executor=self._executor)
        self._recipe = setup.recipe
        self._directory = directory
        self._callback = callback
        self._watch = Stopwatch()
        self._state = SearchState()
        self._joint: JointlyRetrained | None = None

    def execute(self) -> Result:
        """Search, choose, retrain and write everything.

        Raises:
            Interrupted: by Ctrl-C, after what was found has been written.
            NoValidCandidateError: no candidate trained.
        """
        setup = self._setup
        output = Output(self._directory, setup)
        for notice in notices(setup):
            self._notify(Progress("search", message=notice))
        try:
            name, storage = self._recipe.name, self._recipe.storage
            with self._watch.stage("ledger"):
                opened = Ledger.open(self._directory, name, storage, setup.primitives)
            with closing(opened) as ledger:
                # Until this run ends there is no result: an earlier one would stand beside a newer loss.
                self._directory.result.unlink(missing_ok=True)
                self._watch.resume(ledger.recall_prefix(_TIME).values())
                try:
                    return self._phases(setup, ledger, output)
                except KeyboardInterrupt:
                    self._keep_time(ledger)
                    raise
        except KeyboardInterrupt:
            output.found_so_far(self._state)
            raise Interrupted(self._interruption()) from None
        finally:
            setup.executor.close()

    def _phases(self, setup: Setup, ledger: Ledger, output: Output) -> Result:
        with self._watch.stage("other"):
            with self._watch.phase("learning_rate"):
                setup = self._with_lr(setup, ledger)
            output.setup = setup
            loop = self._loop(setup, ledger, output)
            self._state = loop.state
            with self._watch.phase("search"):
                state = loop.run()
        self._watch.end_search(self._executor.workers)
        self._keep_time(ledger)
        output.found_so_far(state)
        trainer = self._trainer(setup, ledger)
        finalists = self._finalists(trainer, setup, state)
        self._keep_time(ledger)
        retrained, returned = self._retrain(trainer, finalists)
        self._keep_time(ledger)
        metric, problem = setup.engine.metric, setup.problem
        sentence = verdict(retrained, returned, metric, problem.task_loss)
        data = self._data(setup, state, finalists, retrained, returned, sentence, ledger)
        loss = retrained.contestants[returned].loss
        result = Result(self._directory.path, loss, sentence, data, dict(state.outcomes), tuple(finalists))
        output.final(result)
        self._notify(Progress("done", message=sentence))
        return result

    # Phases

    def _with_lr(self, setup: Setup, ledger: Ledger) -> Setup:
        trainer = self._trainer(setup, ledger)
        if isinstance(setup.engine, JointEngine):
            joint = with_base(
                trainer, setup.engine, lambda own, label: self._best_lr(own, f"learning-rate-{label}")
            )
            return replace(setup, engine=joint)
        if setup.engine.training.lr != "auto":
            return setup
        return replace(setup, engine=setup.engine.with_lr(self._best_lr(trainer, "learning-rate")))

    def _best_lr(self, trainer: LaneTrainer, stage: str) -> float:
        """The task loss's best learning rate for partial training."""
        engine = trainer.engine
        loss = task_loss(engine.problem)
        selection = select_lr(
            trainer, stage, [loss], default_grid(engine.training.optimizer),
            engine.training.steps, progress=self._counter("learning_rate"),
        )[0]  # fmt: skip
        if selection.fitness == float("inf"):
            rates = ", ".join(f"{lr:g}" for lr, _ in selection.tried)
            raise EvaluationError(
                f"the task loss {loss.key} diverges at every learning rate tried ({rates}); check the data for huge or "
                f"missing values, or set `training.lr`."
            )
        return selection.lr

    def _loop(self, setup: Setup, ledger: Ledger, output: Output) -> SearchLoop:
        recipe = self._recipe
        return SearchLoop(
            strategy=setup.strategy,
            evaluator=setup.evaluator,
            engine=setup.engine,
            screen=Screen(recipe.filters, setup.engine, setup.executor),
            executor=setup.executor,
            ledger=ledger,
            budget=Budget(recipe.budget.candidates, recipe.budget.minutes),
            chunk=setup.chunk,
            watch=self._watch,
            notify=self._notify,
            on_generation=self._after_generation(output, ledger),
            paused=self._directory.path / "paused",
        )

    def _finalists(self, trainer: LaneTrainer, setup: Setup, state: SearchState) -> list[Finalist]:
        settings = self._recipe.finalists
        chosen = choose(state.outcomes.values(), settings.count)
        if not chosen:
            if len(state.candidates) == 1:
                raise NoValidCandidateError(
                    f"strategy {self._recipe.strategy.label} asked for no candidate at all."
                )
            raise NoValidCandidateError(
                f"none of {len(state.candidates) - 1} candidates trained to a finite fitness ({_counted(state)}). "
                f"`leaderboard.csv` gives each one's reason; a longer budget, other primitives or fewer filters may "
                f"help."
            )
        lr = setup.engine.lr
        with self._watch.phase("handcrafted"):
            handcrafted = best_handcrafted(
                trainer,
                lr,
                settings.lr_factors,
                settings.steps,
                settings.handcrafted,
                self._counter("handcrafted"),
            )
        found = {outcome.loss.key for outcome in chosen}
        rivals = [loss for loss in handcrafted if loss.key not in found]
        with self._watch.phase("finalists"):
            return final_round(
                trainer, chosen, rivals, lr, settings.lr_factors, settings.steps, settings.seeds,
                self._counter("finalists"), redraw=settings.redraw and setup.engine.redrawable,
            )  # fmt: skip

    def _retrain(self, trainer: LaneTrainer, finalists: list[Finalist]) -> tuple[Retrained, str]:
        """Retrain the best found and the best handcrafted loss beside the task loss; returns who is returned."""
        settings = self._recipe.retraining
        usual = task_loss(trainer.engine.problem)
        losses: dict[str, Loss] = {"task_loss": usual}
        for finalist in finalists:
            name = "handcrafted" if finalist.id is None else "found"
            if name not in losses and finalist.loss.key != usual.key:
                losses[name] = finalist.loss
        best = finalists[0]
        returned = (
            "task_loss" if best.loss.key == usual.key else "handcrafted" if best.id is None else "found"
        )
        lr = None if settings.lr == "auto" else settings.lr
        if settings.milestones is not None:
            trainer = trainer.under(trainer.engine.with_training(milestones=settings.milestones))
        with self._watch.phase("retraining"):
            if isinstance(trainer.engine, JointEngine):
                self._joint = retrain_jointly(
                    trainer, trainer.engine, losses, settings.steps, settings.seeds, lr, self._counter
                )
                return self._joint.whole, returned
            retrained = retrain(
                trainer, losses, settings.steps, settings.seeds, lr, self._counter,
                elsewhere=on_clean_rows(trainer),
            )  # fmt: skip
        return retrained, returned

    def _trainer(self, setup: Setup, ledger: Ledger) -> LaneTrainer:
        folder = self._directory.path / "retraining"
        return LaneTrainer(setup.engine, setup.executor, ledger, setup.chunk, folder)

    # Reports

    def _counter(self, stage: str) -> Callable[[int, int], None]:
        def count(done: int, total: int) -> None:
            self._notify(Progress(stage, done, total, seconds=self._watch.elapsed))

        return count

    def _notify(self, progress: Progress) -> None:
        if self._callback is not None:
            with self._watch.stage("table"):
                self._callback(progress)

    def _after_generation(self, output: Output, ledger: Ledger) -> Callable[[SearchState], None]:
        def ended(state: SearchState) -> None:
            with self._watch.stage("table"):
                output.generation(state)
            self._keep_time(ledger)

        return ended

    def _keep_time(self, ledger: Ledger) -> None:
        """Record what this session took so far, for the session that goes on from here."""
        ledger.remember(_TIME + ledger.session, self._watch.spent(self._executor.workers))

    def _searched(self) -> dict[str, Any]:
        """Time of the search, learning rate included, in all sessions of the run."""
        workers = self._executor.workers
        seconds, profile = self._watch.search(workers)
        return {"seconds": seconds, "workers": workers, "profile": profile, "overhead": overhead(profile)}

    @staticmethod
    def _rows(setup: Setup, retrained: Retrained) -> dict[str, Any]:
        """Rows of the splits; with several tasks, of the first."""
        engine = setup.engine.parts[0]
        outputs = retrained.contestants["task_loss"].runs[0].test_output
        return {
            "train": len(engine.train_rows),
            "validation": len(engine.validation_rows),
            "test": 0 if outputs is None else len(outputs),
            "drawn_afresh": bool(engine.task.drawn_afresh),
        }

    def _tests(self, returned: str) -> dict[str, Any]:
        """The tests of several tasks, by their labels; nothing with one."""
        if self._joint is None:
            return {}
        tests = {}
        for label, retrained in self._joint.tasks.items():
            engine = self._joint.engines[label]
            name, usual = (returned, engine.problem.task_loss)
            sentence = (
                verdict(retrained, name, engine.metric, usual)
                if name == "task_loss"
                else against_task_loss(retrained, name, engine.metric, usual)
            )
            tests[label] = test_json(retrained, name, engine.metric, sentence)
        return {"tests": tests}

    def _interruption(self) -> str:
        return (
            f"interrupted; everything finished so far is in {self._directory.path}. "
            f"Go on with: autoloss run {self._directory.path / 'recipe.yaml'} -o {self._directory.path} --resume"
        )

    def _data(
        self,
        setup: Setup,
        state: SearchState,
        finalists: list[Finalist],
        retrained: Retrained,
        returned: str,
        sentence: str,
        ledger: Ledger,
    ) -> dict[str, Any]:
        recipe, metric = self._recipe, setup.engine.metric
        winner = next((f for f in finalists if f.loss == retrained.contestants[returned].loss), finalists[0])
        outcome = state.outcomes.get(winner.id) if winner.id is not None else None
        loss = retrained.contestants[returned].loss
        trained = outcome.fitness if outcome is not None else winner.selection.fitness
        counts = state.counts
        return {
            "schema": SCHEMA,
            "name": self._directory.path.name,
            "seed": recipe.seed,
            "strategy": recipe.strategy.label,
            "evaluator": recipe.evaluator.label,
            "task": ", ".join(task_labels(recipe)) if recipe.tasks else recipe.task.label,
            "model": recipe.model.label,
            "best": {
                "trial": ledger.trial_number(winner.id) if winner.id is not None else None,
                "id": winner.id,
                "expression": str(getattr(loss, "expression", loss.key)),
                "latex": loss.latex,
                "fitness": None if trained is None else metric.shown(trained),
                "final_fitness": metric.shown(winner.selection.fitness),
                "scale": loss.scale,
                "complexity": loss.complexity,
            },
            "test": test_json(retrained, returned, metric, sentence),
            **self._tests(returned),
            "rows": self._rows(setup, retrained),
            "search": {
                "candidates": len(state.candidates) - 1,
                **counts,
                **self._searched(),
                "lr": setup.engine.lr,
                "ended": state.reason,
                "task_loss_fitness": _shown(metric.shown, state.outcomes[0].fitness),
                "best_by_generation": [_shown(metric.shown, value) for value in state.best_by_generation],
                "filter_hits": [dict(hits) for hits in state.hits],
                "parameters": setup.engine.network.parameters,
                "chunk": setup.chunk,
                "threads": recipe.executor_options.threads,
            },
            "phases": self._watch.phases,
            "finalists": [
                {
                    "id": f.id,
                    "loss": f.loss.key,
                    "lr": f.selection.lr,
                    "fitness": _shown(metric.shown, f.selection.fitness),
                }
                for f in finalists
            ],
            "versions": versions(recipe),
        }


def _shown(show: Callable[[float], float], value: float | None) -> float | None:
    return None if value is None or value == float("inf") else show(value)


def _counted(state: SearchState) -> str:
    return ", ".join(f"{count} {status}" for status, count in state.counts.items() if count)
