"""Make the content of `result.json` from what a run found."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from automl_loss.final.finalists import Finalist
from automl_loss.final.joint_retraining import JointlyRetrained
from automl_loss.final.result import SCHEMA, test_json
from automl_loss.final.retraining import Retrained
from automl_loss.final.verdict import against_task_loss, verdict
from automl_loss.losses.base import Loss
from automl_loss.record.versions import versions
from automl_loss.search.from_recipe import RunObjects, task_labels
from automl_loss.search.loop import SearchState


@dataclass(frozen=True)
class FinalRound:
    """What came of the losses that a search chose.

    Args:
        finalists: best first.
        retrained: the test results; with several tasks, their means relative to the task loss.
        returned: name of the contestant that the run returns: `found`, `handcrafted` or `task_loss`.
        tasks: with several tasks, each one's own results.
    """

    finalists: tuple[Finalist, ...]
    retrained: Retrained
    returned: str
    tasks: JointlyRetrained | None = None

    @property
    def loss(self) -> Loss:
        """The loss that the run returns."""
        return self.retrained.contestants[self.returned].loss

    @property
    def winner(self) -> Finalist:
        """The finalist that the run returns; the first where that is the task loss."""
        return next((f for f in self.finalists if f.loss == self.loss), self.finalists[0])


def result_data(run: RunObjects, state: SearchState, final: FinalRound, trial: int | None) -> dict[str, Any]:
    """The content of `result.json` without what the run's stopwatch and chunk size add.

    Args:
        run: its engine at the search's learning rate.
        state: what the search found.
        final: what came of it.
        trial: number of the returned loss's trial in the ledger, if it has one.
    """
    recipe, metric = run.recipe, run.engine.metric
    sentence = verdict(final.retrained, final.returned, metric, run.problem.task_loss)
    return {
        "schema": SCHEMA,
        "seed": recipe.seed,
        "strategy": recipe.strategy.label,
        "evaluator": recipe.evaluator.label,
        "task": ", ".join(task_labels(recipe)) if recipe.tasks else recipe.task.label,
        "model": recipe.model.label,
        "best": {"trial": trial, **_best(final, state, metric.shown)},
        "test": test_json(final.retrained, final.returned, metric, sentence),
        **_tests(final),
        "rows": _rows(run, final.retrained),
        "search": {
            "candidates": len(state.candidates) - 1,
            **state.counts,
            "lr": run.engine.lr,
            "ended": state.reason,
            "task_loss_fitness": _shown(metric.shown, state.outcomes[0].fitness),
            "best_by_generation": [_shown(metric.shown, value) for value in state.best_by_generation],
            "filter_hits": [dict(hits) for hits in state.hits],
            "parameters": run.engine.network.parameters,
            "threads": recipe.executor_options.threads,
        },
        "finalists": [
            {
                "id": finalist.id,
                "loss": finalist.loss.key,
                "lr": finalist.selection.lr,
                "fitness": _shown(metric.shown, finalist.selection.fitness),
            }
            for finalist in final.finalists
        ],
        "versions": versions(recipe),
    }


def _best(final: FinalRound, state: SearchState, shown: Callable[[float], float]) -> dict[str, Any]:
    """The returned loss."""
    loss, winner = final.loss, final.winner
    outcome = None if winner.id is None else state.outcomes.get(winner.id)
    fitness = winner.selection.fitness if outcome is None else outcome.fitness
    return {
        "id": winner.id,
        "expression": str(getattr(loss, "expression", loss.key)),
        "latex": loss.latex,
        "fitness": _shown(shown, fitness),
        "final_fitness": _shown(shown, winner.selection.fitness),
        "scale": loss.scale,
        "complexity": loss.complexity,
    }


def _tests(final: FinalRound) -> dict[str, Any]:
    """The tests of several tasks, by their labels; nothing with one."""
    if final.tasks is None:
        return {}
    tests = {}
    for label, retrained in final.tasks.tasks.items():
        engine = final.tasks.engines[label]
        name, usual = final.returned, engine.problem.task_loss
        said = verdict if name == "task_loss" else against_task_loss
        tests[label] = test_json(retrained, name, engine.metric, said(retrained, name, engine.metric, usual))
    return {"tests": tests}


def _rows(run: RunObjects, retrained: Retrained) -> dict[str, Any]:
    """Rows of the splits; with several tasks, of the first."""
    engine = run.engine.parts[0]
    outputs = retrained.contestants["task_loss"].runs[0].test_output
    return {
        "train": len(engine.train_rows),
        "validation": len(engine.validation_rows),
        "test": 0 if outputs is None else len(outputs),
        "drawn_afresh": bool(engine.task.drawn_afresh),
    }


def _shown(show: Callable[[float], float], value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else show(value)
