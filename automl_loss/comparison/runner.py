"""Run the missing cells of a comparison, several at once, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_loss.comparison.cell import FAILED, CellRecord, failed_cell, read_cell, run_cell
from automl_loss.comparison.recipe import Cell, Comparison
from automl_loss.errors import Interrupted, RecipeError
from automl_loss.executors.local import LocalExecutor, cores
from automl_loss.plugins.executor import Failure
from automl_loss.recipe import recipe_data
from automl_loss.record.atomic import replace_text
from automl_loss.record.run_directory import CELLS, RunDirectory
from automl_loss.record.trust import mark_started
from automl_loss.search.from_recipe import check_tasks


@dataclass(frozen=True)
class GridProgress:
    """Progress of a comparison.

    Args:
        records: the records of all cells, in the order of the comparison.
        fresh: the record of the cell that was just finished, if any.
        running: the cells being run.
    """

    records: Sequence[CellRecord]
    fresh: CellRecord | None = None
    running: Sequence[Cell] = ()


GridCallback = Callable[[GridProgress], None]


def check_cells(comparison: Comparison) -> None:
    """Check before anything runs that each strategy applies to each task.

    Raises:
        RecipeError: a strategy does not apply; it carries every reason.
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
    """Run the missing cells; finished cells are never run again.

    Args:
        comparison: the comparison to run.
        directory: the comparison's directory; default: `runs/<name>`, or the next free name.
        resume: continue in an existing directory.
        callback: called whenever a cell is finished.

    Returns:
        The directory, and the record of every cell.

    Raises:
        RecipeError: a strategy does not apply to a task, before anything runs.
        ResumeError: the directory belongs to another process, or to another comparison.
        Interrupted: by Ctrl-C; finished cells are kept, and interrupted ones are resumed by the next call.
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
        mark_started(place.path, recipe_data(place.recipe))
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
    """Run one cell in this process; a function of the module's top level, so that it can be pickled."""
    return run_cell(*call)


def _run_missing(
    comparison: Comparison, missing: Sequence[int], folder: Path
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Run each missing cell in a process of its own; yield its index and record when it ends.

    A cell whose process ended, or that could not even begin, is a failed one, and harms no other.
    """
    cells = [comparison.cells[i] for i in missing]
    calls = [(cell.recipe.to_data(), cell.recipe.folder, cell.name, folder) for cell in cells]
    workers = min(comparison.workers or cores(), max(1, len(missing)))
    executor = LocalExecutor(LocalExecutor.Config(workers=workers))
    try:
        for place, record in executor.map(_run, calls):
            if isinstance(record, Failure):
                if isinstance(record.error, Interrupted | KeyboardInterrupt):
                    raise record.error
                record = failed_cell(cells[place].recipe, record.error)
            yield missing[place], record
    finally:
        executor.close()
