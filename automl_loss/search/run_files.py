"""Write the files of a run besides the ledger: the leaderboard, the best loss, and the result."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from automl_loss.engine.several_tasks import SeveralTasks
from automl_loss.final.result import Result
from automl_loss.losses.base import Loss
from automl_loss.losses.module import render_module
from automl_loss.plugins.outcome import Outcome
from automl_loss.record.atomic import replace_text
from automl_loss.record.leaderboard import LeaderboardRow, write_leaderboard
from automl_loss.record.run_directory import RunDirectory
from automl_loss.search.from_recipe import RunObjects
from automl_loss.search.loop import SearchState


class Output:
    """Writes the files of a run directory; each is replaced as a whole, so a reader never sees half of one.

    Args:
        directory: the run directory.
        objects: the run's objects; updated once the learning rate is known.
    """

    def __init__(self, directory: RunDirectory, objects: RunObjects) -> None:
        self.objects = objects
        self._directory = directory

    def generation(self, state: SearchState) -> None:
        """Write the leaderboard; called after each generation."""
        write_leaderboard(self._directory.leaderboard, self._rows(state))

    def found_so_far(self, state: SearchState) -> None:
        """Write the leaderboard and the best loss of the search, before or without a final round."""
        if not state.outcomes:
            return
        self.generation(state)
        best = next((outcome for outcome in state.ranked if outcome.status.completed), None)
        if best is not None and best.fitness is not None:
            metric = self.objects.engine.metric
            self._loss(best.loss, f"candidate {best.id}, validation {metric.name} {metric.shown(best.fitness):.4g}; "
                                  f"not yet retrained")  # fmt: skip

    def final(self, result: Result) -> None:
        """Write the returned loss and `result.json`."""
        self._loss(result.loss, result.verdict)
        replace_text(self._directory.result, json.dumps(result.data, indent=2, allow_nan=False) + "\n")

    def _loss(self, loss: Loss, origin: str) -> None:
        engine, problem = self.objects.engine, self.objects.problem
        if isinstance(engine, SeveralTasks):
            # Each task has a scale of its own; the files that every run has contain the first task's.
            own = [engine.own([loss], task)[0] for task in engine.engines]
            for label, task, each in zip(engine.labels, engine.engines, own, strict=True):
                file = self._directory.best_loss_py.with_stem(f"best_loss-{label}")
                replace_text(file, render_module(each, task.problem, origin=f"{origin}; for {label}"))
            loss, problem = own[0], engine.engines[0].problem
        data = {
            "schema": 1,
            "loss": loss.to_json(),
            "primitives": self.objects.recipe.primitives.to_data(),
            "problem": dataclasses.asdict(problem),
            "origin": origin,
        }
        replace_text(self._directory.best_loss_json, json.dumps(data, indent=2) + "\n")
        replace_text(self._directory.best_loss_py, render_module(loss, problem, origin=origin))

    def _rows(self, state: SearchState) -> list[LeaderboardRow]:
        return [self._row(rank, outcome, state) for rank, outcome in enumerate(_board(state), start=1)]

    def _row(self, rank: int, outcome: Outcome, state: SearchState) -> LeaderboardRow:
        candidate = state.candidates[outcome.id]
        engine = self.objects.engine
        return LeaderboardRow(
            rank=rank,
            id=outcome.id,
            generation=candidate.generation,
            fitness=None if outcome.fitness is None else engine.metric.shown(outcome.fitness),
            status=outcome.status.value,
            expression=str(getattr(outcome.loss, "expression", outcome.loss.key)),
            complexity=outcome.loss.complexity,
            lr=candidate.lr(engine.lr),
            seconds=outcome.seconds,
            message=outcome.message,
        )


def _board(state: SearchState) -> Sequence[Outcome]:
    """Return all outcomes but equivalents, best first, the task loss included."""
    task_loss = [state.outcomes[0]] if 0 in state.outcomes else []
    return sorted([*task_loss, *state.ranked], key=lambda outcome: outcome.rank_key)
