"""Runs the cells of a comparison that are missing, several at once, each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_loss.comparison.cell import CELLS, FAILED, CellRecord, read_cell, run_cell
from automl_loss.errors import EvaluationError, Interrupted, RecipeError
from automl_loss.recipe.comparison import Cell, Comparison
from automl_loss.search.atomic import replace_text
from automl_loss.search.local_executor import cores, prepare_worker
from automl_loss.search.run_directory import RunDirectory
from automl_loss.search.setup import check_tasks


@dataclass(frozen=True)
class GridProgress:
    """How far a comparison is.

    Args:
        records: of all cells, in the order of the comparison.
        fresh: the cell that was just finished, if any.
        running: cells at work.
    """

    records: Sequence[CellRecord]
    fresh: CellRecord | None = None
    running: Sequence[Cell] = ()


GridCallback = Callable[[GridProgress], None]


def check_cells(comparison: Comparison) -> None:
    """Find out before anything runs whether each strategy applies to each task.

    Raises:
        RecipeError: with every reason why not.
    """
    problems: dict[str, None] = {}
    checked = set()
    for cell in comparison.cells:
        if (key := (cell.strategy, cell.task)) in checked:
            continue
        checked.add(key)
        problem, found = check_tasks(cell.recipe)
        strategy = cell.recipe.strategy
        if strategy.plugin is not None:
            found += [f"strategy: {reason}" for reason in strategy.plugin.check(strategy.config, problem)]
        problems |= {f"compare: {cell.strategy} on {cell.task}: {text}": None for text in found}
    if problems:
        raise RecipeError(list(problems))


def run_cells(
    comparison: Comparison, directory: Path | None, *, resume: bool, callback: GridCallback | None = None
) -> tuple[Path, list[CellRecord]]:
    """Run what is missing; what is finished is never run again.

    Args:
        comparison: what to run.
        directory: of the comparison; default: `runs/<name>`, or the next free name.
        resume: go on in a directory that is there.
        callback: called whenever a cell is finished.

    Returns:
        The directory, and the record of every cell.

    Raises:
        RecipeError: a strategy does not apply to a task, before anything runs.
        ResumeError: the directory belongs to another process, or to another comparison.
        Interrupted: by Ctrl-C; finished cells stay, and those at work go on where they were.
    """
    check_cells(comparison)
    if resume:
        place = RunDirectory.open(Path(directory or Path("runs") / comparison.name))
    else:
        place = RunDirectory.create(comparison.name, directory)
    with place:
        folder = place.path / CELLS
        records = [read_cell(cell, folder) for cell in comparison.cells]
        records = [CellRecord(r.cell, None) if r.status == FAILED else r for r in records]
        replace_text(
            place.recipe, f"# A comparison: autoloss compare recipe.yaml --resume\n\n{comparison.to_yaml()}"
        )
        missing = [i for i, record in enumerate(records) if record.data is None]
        notify = callback or (lambda progress: None)
        notify(GridProgress(records))
        workers = min(comparison.workers or cores(), max(1, len(missing)))
        try:
            with _pool(workers) as submit:
                for index, data in submit([(i, _call(comparison.cells[i], folder)) for i in missing]):
                    records[index] = CellRecord(comparison.cells[index], data)
                    notify(GridProgress(records, records[index]))
        except (KeyboardInterrupt, Interrupted):
            raise Interrupted(
                f"interrupted; finished cells are in {place.path}. Go on with: "
                f"autoloss compare {place.recipe} -o {place.path} --resume"
            ) from None
        return place.path, records


_Call = tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]
_Submit = Callable[[Sequence[tuple[int, _Call]]], Iterator[tuple[int, dict[str, Any]]]]


def _call(cell: Cell, folder: Path) -> _Call:
    return run_cell, (cell.recipe.to_data(), cell.recipe.folder, cell.name, folder)


@contextmanager
def _pool(workers: int) -> Iterator[_Submit]:
    """A function that runs calls and gives their results as they end."""
    if workers == 1:
        yield lambda calls: ((index, function(*arguments)) for index, (function, arguments) in calls)
        return
    from concurrent.futures import as_completed

    from loky import ProcessPoolExecutor
    from loky.process_executor import TerminatedWorkerError

    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    pool = ProcessPoolExecutor(
        max_workers=workers, initializer=prepare_worker, initargs=(1, os.getpid()), env=threads
    )

    def submit(calls: Sequence[tuple[int, _Call]]) -> Iterator[tuple[int, dict[str, Any]]]:
        futures = {pool.submit(function, *arguments): index for index, (function, arguments) in calls}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except TerminatedWorkerError as error:
            raise EvaluationError(
                "a process that ran a cell was killed, most likely for lack of memory. Finished cells stay: go on with "
                "--resume, with a smaller `compare.workers`."
            ) from error

    try:
        yield submit
    finally:
        pool.shutdown(wait=True, kill_workers=True)
