"""Define `RunView`, the content of a run directory, read once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from automl_loss.errors import AutolossError, PluginError, RecipeError
from automl_loss.losses import Loss, Problem
from automl_loss.record.run_directory import RunPaths
from automl_loss.record.run_reader import RunReader, Trial
from automl_loss.report.metric_format import MetricFormat
from automl_loss.report.names import ROLE_NAMES

_logger = logging.getLogger(__name__)
_REMEDY = (
    "Restore it from a copy, or move it away, as `autoloss doctor DIR --repair` does: the report then shows what the "
    "other files tell"
)


@dataclass(frozen=True)
class RunView:
    """The content of a run directory.

    Args:
        directory: the run directory.
        recipe_text: the resolved recipe with the versions above it.
        recipe: the resolved recipe as plain data.
        result: `result.json`, or `None` while the run is not finished.
        loss: the loss that the run returns, or its best so far; `None` before the first.
        problem: the task's problem; `None` when `loss` is.
        trials: all candidates, the task loss first.
    """

    directory: Path
    recipe_text: str
    recipe: Mapping[str, Any]
    result: Mapping[str, Any] | None
    loss: Loss | None
    problem: Problem | None
    trials: tuple[Trial, ...]

    @classmethod
    def read(cls, directory: Path, *, trust: bool = False) -> Self:
        """Read a run directory.

        Args:
            directory: of the run.
            trust: see `write_report`.

        Raises:
            AutolossError: there is no such directory, no run in it, or one of its files is broken.
        """
        try:
            reader = RunReader(directory, _REMEDY)
        except RecipeError as error:
            raise AutolossError(str(error)) from None
        text, recipe = reader.recipe()
        loss, problem = None, None
        try:
            loss, problem = reader.best_loss(trust=trust) or (None, None)
        except (RecipeError, PluginError) as error:
            _logger.warning("the report shows losses as text: %s", error)
        return cls(directory, text, recipe, reader.result(), loss, problem, reader.trials())

    @property
    def paths(self) -> RunPaths:
        """The files of the run."""
        return RunPaths(self.directory)

    @property
    def name(self) -> str:
        """The run directory's name."""
        return self.directory.resolve().name

    @property
    def unit(self) -> MetricFormat:
        """The format of the metric."""
        if self.result is not None:
            return MetricFormat(self.result["test"]["metric"])
        return MetricFormat(self.problem.metric if self.problem is not None else "metric")

    @property
    def lower_is_better(self) -> bool:
        """The metric's own sense; an unfinished run under a user's own metric counts as an error."""
        if self.result is not None:
            return bool(self.result["test"]["lower_is_better"])
        return self.problem is None or MetricFormat(self.problem.metric).lower_is_better

    @property
    def task_loss(self) -> Trial | None:
        """The task loss, candidate 0."""
        return self.trials[0] if self.trials and self.trials[0].id == 0 else None

    @property
    def candidates(self) -> tuple[Trial, ...]:
        """All candidates but the task loss."""
        return tuple(trial for trial in self.trials if trial.id != 0)

    @property
    def ranked(self) -> list[Trial]:
        """Return the distinct trained losses, best first, without the task loss."""
        trained = [t for t in self.candidates if t.fitness is not None and t.source_id is None]
        return sorted(
            trained, key=lambda t: (t.fitness, t.id) if self.lower_is_better else (-(t.fitness or 0), t.id)
        )

    def contestants(self) -> dict[str, Mapping[str, Any]]:
        """Return the test's entries by role: `found`, `handcrafted`, `task_loss`; empty while there is no result."""
        if self.result is None:
            return {}
        test = self.result["test"]
        entries = {**test["others"], "task_loss": test["task_loss"]}
        if test["returned"] != "task_loss":
            entries[test["returned"]] = {**test["learned"], "difference": test["difference"]}
        return {role: entries[role] for role in ROLE_NAMES if role in entries}
