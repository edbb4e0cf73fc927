"""Run one cell of a comparison in a directory of its own, and keep its results in `cell.json`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_loss.comparison.recipe import Cell
from automl_loss.errors import Interrupted, NoValidCandidateError, ResumeError
from automl_loss.executors.kept import kept_executor
from automl_loss.executors.local import LocalExecutor
from automl_loss.final.result import Result
from automl_loss.final.training_runs import digest
from automl_loss.plugins.executor import Executor
from automl_loss.recipe import Recipe, differing_keys, load_recipe
from automl_loss.record.atomic import replace_text
from automl_loss.record.run_directory import CELL, RunPaths
from automl_loss.search.run_recipe import run_recipe

DONE, NO_CANDIDATE, FAILED = "done", "no_candidate", "failed"


_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellRecord:
    """A cell and its result, if it has one.

    Args:
        cell: the cell.
        data: content of its `cell.json`, or `None` while it is not finished.
    """

    cell: Cell
    data: Mapping[str, Any] | None

    @property
    def status(self) -> str:
        """`done`, `no_candidate`, `failed`, or `open`."""
        return "open" if self.data is None else str(self.data["status"])


def read_cell(cell: Cell, folder: Path) -> CellRecord:
    """Read a cell's record from its directory.

    One that failed counts as open, as it is tried again; likewise one whose file is damaged, and a warning names it.

    Raises:
        ResumeError: the cell was finished under another recipe.
    """
    file = folder / cell.name / CELL
    data = _read(file)
    if data is None:
        return CellRecord(cell, None)
    # Options that are newer than the record do not count; nothing that the record names is imported.
    changed = differing_keys(_identity(cell.recipe), data["recipe"], recorded_only=True)
    if changed:
        raise ResumeError(
            f"{file.parent}: this cell was finished under a recipe that differs in {', '.join(changed) or 'its keys'}. "
            f"Only strategies, tasks, models and seeds may be added to a comparison; start a new one."
        )
    return CellRecord(cell, data)


def _read(file: Path) -> dict[str, Any] | None:
    """Return the content of a `cell.json`; `None` where there is none or it is damaged."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        whole = isinstance(data, dict) and {"status", "message", "recipe"} <= data.keys()
        # The first version wrote no digest.
        recorded = data.pop("digest", None) if whole else None
        if not whole or recorded not in (None, digest(data)):
            raise ValueError("it is not what was written")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        _logger.warning("%s: this cell's result is damaged (%s); the cell is run again.", file, error)
        return None
    return dict(data)


def _identity(recipe: Recipe) -> dict[str, Any]:
    """Return the parts of a recipe that its result depends on, as plain data."""
    data: dict[str, Any] = json.loads(json.dumps(recipe.to_data()))
    for key in ("name", "executor", "device", "storage"):
        data.pop(key, None)
    return data


def run_cell(data: Mapping[str, Any], home: Path | None, name: str, folder: Path) -> dict[str, Any]:
    """Run a cell, or resume it; an error is recorded as its result, so that it affects no other cell.

    Args:
        data: the resolved recipe as plain data; a worker process loads its own plugins.
        home: folder that relative paths start from.
        name: the cell's name.
        folder: the folder of all cells.

    Returns:
        The content of `cell.json`.

    Raises:
        Interrupted: by Ctrl-C in this process; the cell is resumed when it is run again.
    """
    recipe = load_recipe(data, folder=home)
    place = folder / name
    # Of an attempt that failed: it would stand in the way where nothing else was written.
    (place / CELL).unlink(missing_ok=True)
    begun = RunPaths(place).recipe.exists()
    try:
        result = run_recipe(recipe, directory=place, resume=begun, executor=_executor(recipe))
        record = {"status": DONE, "message": "", **_measured(result)}
    except NoValidCandidateError as error:
        record = {"status": NO_CANDIDATE, "message": str(error)}
    except Interrupted:
        raise
    except Exception as error:  # an error of a plugin, the data or the machine is this cell's result
        record = failed_cell(recipe, error)
    record["recipe"] = _identity(recipe)
    place.mkdir(parents=True, exist_ok=True)
    content = json.loads(json.dumps(record))
    replace_text(place / CELL, json.dumps({**content, "digest": digest(content)}) + "\n")
    return record


def failed_cell(recipe: Recipe, error: BaseException) -> dict[str, Any]:
    """Return the record of a cell that failed."""
    return {"status": FAILED, "message": f"{type(error).__name__}: {error}", "recipe": _identity(recipe)}


def _executor(recipe: Recipe) -> Executor | None:
    """Return the workers that a cell shares with those before it in this process; `None`: it starts its own.

    With a time limit training runs in a process that can be ended, which takes seconds to start.
    """
    options = recipe.executor_options
    config = recipe.executor.config
    if options.timeout_s is None or not isinstance(config, LocalExecutor.Config):
        return None
    return kept_executor(config.workers, options.threads)


def _measured(result: Result) -> dict[str, Any]:
    """Extract the numbers that the comparison needs from a result."""
    data, test = result.data, result.data["test"]
    entries = {test["returned"]: test["learned"], **test["others"], "task_loss": test["task_loss"]}
    found = entries.get("found", test["task_loss"])
    usual = test["task_loss"]
    trace = _trace(result)
    return {
        "metric": test["metric"],
        "lower_is_better": test["lower_is_better"],
        "test": found["mean"],
        "test_values": found["values"],
        "last": found["last_step"]["mean"],
        "lr": found["lr"],
        "lr_tried": found["lr_tried"],
        "is_task_loss": "found" not in entries,
        "task_loss": usual["mean"],
        "task_loss_values": usual["values"],
        "task_loss_lr_tried": usual["lr_tried"],
        "expression": data["best"]["expression"] if test["returned"] == "found" else found["loss"],
        "found": _found(result) if test["returned"] == "found" else None,
        "fitness": _final_fitness(data),
        "search_fitness": trace["best"][-1] if trace["best"] else None,
        "task_loss_fitness": data["search"]["task_loss_fitness"],
        "rows": data["rows"],
        "search": {key: data["search"][key] for key in ("candidates", "evaluated", "cached", "rejected", "diverged",
                                                        "pruned", "failed", "seconds", "filter_hits")},
        "steps": trace["steps"][-1] if trace["steps"] else 0.0,
        "trace": trace,
        "versions": data["versions"],
    }  # fmt: skip


def _found(result: Result) -> dict[str, Any]:
    """Read the found loss and its problem from `best_loss.json`."""
    data = json.loads(RunPaths(result.directory).best_loss_json.read_text(encoding="utf-8"))
    return {"loss": data["loss"], "problem": data["problem"]}


def _final_fitness(data: Mapping[str, Any]) -> float | None:
    """Return the validation metric of the best found finalist, in the metric's own sense."""
    values = [finalist["fitness"] for finalist in data["finalists"] if finalist["id"] is not None]
    return values[0] if values else None


def _trace(result: Result) -> dict[str, list[float]]:
    """Return best fitness against candidates tuned or trained, training-step equivalents, and seconds of work."""
    lower = result.data["test"]["lower_is_better"]
    trace: dict[str, list[float]] = {"candidates": [], "steps": [], "seconds": [], "best": []}
    count, steps, seconds, best = 0, 0.0, 0.0, float("inf")
    for number in sorted(result.outcomes):
        outcome = result.outcomes[number]
        if number == 0 or outcome.source_id is not None or not outcome.steps:
            continue
        count, steps, seconds = count + 1, steps + outcome.steps, seconds + outcome.seconds
        best = best if outcome.fitness is None else min(best, outcome.fitness)
        if best < float("inf"):
            for key, value in (("candidates", count), ("steps", steps), ("seconds", seconds)):
                trace[key].append(float(value))
            trace["best"].append(best if lower else 1 - best)
    return trace
