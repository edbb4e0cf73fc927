"""Runs the cells of a comparison that are missing, several at once, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_loss.comparison.cell import CELLS, FAILED, CellRecord, read_cell, run_cell
from automl_loss.comparison.recipe import Cell, Comparison
from automl_loss.errors import Interrupted, RecipeError
from automl_loss.executors.local import LocalExecutor, cores
from automl_loss.plugins.executor import Failure
from automl_loss.record.atomic import replace_text
from automl_loss.record.run_directory import RunDirectory
from automl_loss.search.from_recipe import check_tasks


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
        found += [f"strategy: {reason}" for reason in strategy.cls.check(strategy.config, problem)]
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
        try:
            for index, data in _run_missing(comparison, missing, folder):
                records[index] = CellRecord(comparison.cells[index], data)
                notify(GridProgress(records, records[index]))
        except (KeyboardInterrupt, Interrupted):
            raise Interrupted(
                f"interrupted; finished cells are in {place.path}. Go on with: "
                f"autoloss compare {place.recipe} -o {place.path} --resume"
            ) from None
        return place.path, records


def _run(call: tuple[dict[str, Any], Path | None, str, Path]) -> dict[str, Any]:
    """Run one cell, in whatever process."""
    return run_cell(*call)


def _run_missing(
    comparison: Comparison, missing: Sequence[int], folder: Path
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and record of each cell that is missing, as they end, each in a process of its own."""
    cells = [comparison.cells[i] for i in missing]
    calls = [(cell.recipe.to_data(), cell.recipe.folder, cell.name, folder) for cell in cells]
    workers = min(comparison.workers or cores(), max(1, len(missing)))
    executor = LocalExecutor(LocalExecutor.Config(workers=workers))
    try:
        for place, record in executor.map(_run, calls):
            if isinstance(record, Failure):
                raise record.error
            yield missing[place], record
    finally:
        executor.close()
