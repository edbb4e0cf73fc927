"""Transfer: another task or model trained under the loss of a run, beside that task's own task loss.

As honest as retraining in a run, and by the same code: scale matched afresh, each loss at its own best learning
rate on validation, one stopping rule, seeds that nothing else uses, test rows read once, after every choice. The
split follows the run's seed, so no row that the loss was searched on is a test row here.

Every target has a folder in `transfer/` of the run directory, with a record from which it goes on when it was
interrupted; a target that is finished is not trained again. `transfer/transfer.json` lists those that are.
Nothing else in the run directory is changed.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_loss.after.finished_run import FinishedRun
from automl_loss.after.transfer_targets import Target
from automl_loss.errors import AutolossError, Interrupted
from automl_loss.final.result import test_json
from automl_loss.final.retraining import RetrainingPlan, retrain
from automl_loss.final.training_runs import TrainingRuns
from automl_loss.final.verdict import against_task_loss, task_loss_name
from automl_loss.losses.handcrafted import task_loss
from automl_loss.record.atomic import replace_text, writing
from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.ledger import Ledger
from automl_loss.record.recording import Recording
from automl_loss.record.run_directory import RunDirectory, RunPaths
from automl_loss.record.versions import versions
from automl_loss.record.workers import Workers
from automl_loss.search.filters import LEAST_GRADIENT
from automl_loss.search.from_recipe import check_rows, chunk_size, make_executor, make_single_engine
from automl_loss.search.progress import Callback, Progress

SCHEMA = 1
_logger = logging.getLogger(__name__)
_STAGE = "transfer"
_TARGET = "target.json"


@dataclass(frozen=True)
class Transferred:
    """What came of one target.

    Args:
        label: task and model.
        data: the content of its `target.json`.
        fresh: whether it was trained now, and not before.
    """

    label: str
    data: Mapping[str, Any]
    fresh: bool


def transfer(
    run: FinishedRun, targets: Sequence[Target], callback: Callback | None = None
) -> list[Transferred]:
    """Train every target that is not finished, and write what came of all.

    Args:
        run: whose loss is transferred.
        targets: as `targets_of` gives them.
        callback: called with progress; a target begins with a message.

    Returns:
        One result a target, in order.

    Raises:
        Interrupted: by Ctrl-C; what is finished is kept, and the same command goes on.
        ResumeError: another process is at work on a target.
        AutolossError: nothing can be written, or training fails for a reason that is no bad loss.
    """
    notify = callback if callback is not None else _ignore
    folder = RunPaths(run.directory).transfer
    results = []
    for notice in dict.fromkeys(notice for target in targets for notice in target.notices):
        _say(notify, f"note: {notice}")
    try:
        for place, target in enumerate(targets, start=1):
            title = f"target {place} of {len(targets)}: {target.label}"
            results.append(_one(target, folder / target.folder, title, notify))
            _write_summary(run, folder)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; targets that are finished are in {folder}. The same command goes on with the rest."
        ) from None
    return results


def _ignore(progress: Progress) -> None:
    """Take a message."""


def _say(notify: Callback, message: str) -> None:
    notify(Progress("retraining_rate", total=1.0, message=message))


def _one(target: Target, folder: Path, title: str, notify: Callback) -> Transferred:
    file = folder / _TARGET
    done = _finished(file)
    if done is not None:
        _say(notify, f"{title}: trained before")
        return Transferred(target.label, done, fresh=False)
    _say(notify, title)
    with writing(folder):
        folder.parent.mkdir(exist_ok=True)
    begun = RunPaths(folder).recipe.exists()
    with RunDirectory.open(folder) if begun else RunDirectory.create(target.folder, folder) as place:
        if not begun:
            replace_text(place.recipe, f"# A target of transfer.\n\n{target.recipe.to_yaml()}")
        with closing(Ledger.open(place, target.folder)) as ledger:
            data = _train(target, place, ledger.chunks, notify)
        replace_text(file, json.dumps(data, indent=2, allow_nan=False) + "\n")
    return Transferred(target.label, data, fresh=True)


def _finished(file: Path) -> dict[str, Any] | None:
    """A target that is finished; `None` where it is not, or its file is damaged and has to be made anew."""
    if not file.exists():
        return None
    try:
        return read_target(file)
    except AutolossError as error:
        _logger.warning("%s", error)
        return None


def _train(target: Target, place: RunDirectory, records: ChunkRecords, notify: Callback) -> dict[str, Any]:
    started, recipe = time.perf_counter(), target.recipe
    engine = make_single_engine(recipe, target.folder)
    shared = check_rows(recipe, engine)
    own = target.loss.for_problem(engine.problem)
    usual, (loss,) = task_loss(engine.problem), engine.match_scale([own])
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "status": "trained",
        "label": {"task": target.task, "model": target.model},
        "task": recipe.to_data()["task"],
        "model": recipe.to_data()["model"],
        "kind": engine.problem.kind,
        "metric": engine.metric.name,
        "retraining": recipe.retraining.model_dump(mode="json"),
        "origin": target.origin,
        "loss": loss.to_json(),
        "notices": [*target.notices, *engine.task.notices(), *shared],
        "parameters": engine.network.parameters,
        "versions": versions(recipe),
    }
    for notice in (*engine.task.notices(), *shared):
        _say(notify, f"note: {notice}")
    ratio = float(engine.gradient_ratios([own])[0])
    if not LEAST_GRADIENT <= ratio < math.inf:
        sentence = (
            f"Keep {task_loss_name(usual.key)}: the loss trains nothing here; its gradient at the initial network is "
            f"{ratio:.3g} times the task loss's."
        )
        return {
            **data,
            "status": "no_gradient",
            "test": None,
            "verdict": sentence,
            "seconds": _since(started),
        }
    settings = recipe.retraining

    def report(phase: str, done: int, total: int) -> None:
        notify(Progress(phase, done, total, seconds=_since(started)))

    with closing(Workers(make_executor(recipe), recipe.executor_options.timeout_s)) as workers:
        runs = TrainingRuns(engine, Recording(workers, records, place, chunk_size(recipe, engine), report))
        plan = RetrainingPlan(
            runs.schedule(settings.steps), settings.seeds, None if settings.lr == "auto" else settings.lr
        )
        retrained = retrain(runs, {"task_loss": usual, target.returned: loss}, plan, _STAGE)
    sentence = against_task_loss(retrained, target.returned, engine.metric, usual.key)
    test = test_json(retrained, target.returned, engine.metric, sentence)
    return {**data, "test": test, "verdict": sentence, "seconds": _since(started)}


def _since(started: float) -> float:
    return time.perf_counter() - started


def read_target(file: Path) -> dict[str, Any]:
    """A finished target.

    Raises:
        AutolossError: the file is not one that transfer wrote.
    """
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError(f"its schema is {data['schema']!r}, and this version reads {SCHEMA}")
        data["origin"], data["verdict"], data["test"], data["label"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise AutolossError(
            f"{file}: this is not a target's result ({type(error).__name__}: {error}). "
            f"`autoloss retrain` writes it anew, from the target's records where these are whole."
        ) from error
    return data


def _write_summary(run: FinishedRun, folder: Path) -> None:
    """All finished targets of the run's present loss, in one file."""
    origin = run.loss.to_json()
    entries = [(file.parent.name, _finished(file)) for file in sorted(folder.glob(f"*/{_TARGET}"))]
    mine = [{"folder": name, **data} for name, data in entries if data and data["origin"] == origin]
    replace_text(folder / "transfer.json", json.dumps(summary(run, mine), indent=2, allow_nan=False) + "\n")


def summary(run: FinishedRun, targets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `transfer.json` says of some targets."""
    return {
        "schema": SCHEMA,
        "run": run.name,
        "seed": run.recipe.seed,
        "returned": run.returned,
        "loss": str(getattr(run.loss, "expression", run.loss.key)),
        "latex": run.loss.latex,
        "found_on": {"task": run.recipe.task.label, "model": run.recipe.model.label},
        "targets": list(targets),
    }
