"""Say what is damaged in the directory of a run or a comparison, and keep what can be kept: `autoloss doctor DIR`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from automl_loss.errors import AutolossError
from automl_loss.recipe import differing_keys, recipe_data
from automl_loss.record import journal
from automl_loss.record.array_files import FILE_KEY, digest_of
from automl_loss.record.atomic import remnants, writing
from automl_loss.record.chunk_records import ChunkRecords, damaged_lines, drop_damaged_lines
from automl_loss.record.run_directory import CELL, CELLS, RunDirectory, RunPaths
from automl_loss.record.run_reader import RunReader
from automl_loss.record.study import RECIPE_KEY

_ASIDE = ".damaged"


@dataclass(frozen=True)
class Damage:
    """Something that is wrong in a directory.

    Args:
        file: which file.
        what: is wrong with it.
        mend: keeps what can be kept of it; `None` where nothing can be done.
        kept: what mending keeps, in words.
    """

    file: Path
    what: str
    mend: Callable[[], object] | None = None
    kept: str = ""


def damages(directory: Path) -> list[Damage]:
    """List what is damaged in the directory of a run, or of a comparison and its cells; changes nothing.

    Raises:
        RecipeError: it is no such directory.
    """
    RunReader(directory)
    found = list(_of_run(directory))
    for cell in sorted((directory / CELLS).glob("*/")):
        found += _of_cell(cell)
    return found


def mend(directory: Path, found: list[Damage]) -> None:
    """Keep what can be kept of what is damaged.

    Raises:
        ResumeError: another process is at work in the directory.
        AutolossError: a file cannot be written.
    """
    with RunDirectory.open(directory):
        for damage in found:
            if damage.mend is not None:
                damage.mend()


def _of_run(directory: Path) -> Iterator[Damage]:
    run = RunPaths(directory)
    for file in remnants(directory):
        gone = partial(file.unlink, missing_ok=True)
        yield Damage(file, "half written by a process that was killed", gone, "it is of no use and goes")
    recipe = None
    try:
        recipe = recipe_data(run.recipe)
    except AutolossError as error:
        yield Damage(run.recipe, f"{error} Restore it from a copy")
    yield from _of_journal(run, recipe)
    lines = damaged_lines(run.chunks)
    if lines:
        numbers = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
        kept = "all other records stay; what these held is computed again by --resume"
        text = f"{len(lines)} records do not match their checksum or were cut short (line {numbers})"
        yield Damage(run.chunks, text, lambda: drop_damaged_lines(run.chunks), kept)
    yield from _of_arrays(run)
    reader = RunReader(directory)
    checks: dict[Path, Callable[[], object]] = {
        run.result: reader.result,
        run.best_loss_json: lambda: json.loads(run.best_loss_json.read_text(encoding="utf-8"))["loss"][
            "kind"
        ],
        run.leaderboard: lambda: list(reader.leaderboard()),
    }
    for file, check in checks.items():
        yield from _unreadable(file, check, "it is moved aside; --resume writes it anew from the records")


def _of_journal(run: RunPaths, recipe: Mapping[str, Any] | None) -> Iterator[Damage]:
    if not run.journal.exists():
        return
    found = journal.examine(run.journal)
    if found.fault:
        kept = f"the {found.records} records before it; the rest goes to {run.journal.name}.torn, is computed again"
        mendable = found.ours or found.end > 0
        yield Damage(
            run.journal,
            f"line {found.number}: {found.fault}",
            (lambda: journal.repair(run.journal, force=True)) if mendable else None,
            kept,
        )
    recorded = _recorded_recipe(run.journal, found.records)
    changed = differing_keys(recipe, recorded, recorded_only=True) if recipe is not None else []
    if changed:
        yield Damage(
            run.journal,
            f"its trials were made under a recipe that differs from {run.recipe.name} in {', '.join(changed)}. Restore "
            f"the one or the other from a copy",
        )


def _recorded_recipe(file: Path, records: int) -> dict[str, Any]:
    """What may not change in the recipe, as the journal has it; empty in one of the first version."""
    with file.open("rb") as stream:
        for _, line in zip(range(records), stream, strict=False):
            attributes = json.loads(line).get("user_attr") or {}
            if RECIPE_KEY in attributes:
                return dict(attributes[RECIPE_KEY])
    return {}


def _of_arrays(run: RunPaths) -> Iterator[Damage]:
    if not run.chunks.exists() or not run.outputs.is_dir():
        return
    for key, digest in ChunkRecords.read(run.chunks).items():
        file = run.outputs / f"{key.removesuffix(FILE_KEY).replace('/', '-')}.npz"
        if key.endswith(FILE_KEY) and file.exists() and digest_of(file) != digest:
            kept = "it is moved aside; --resume computes it again"
            yield Damage(file, "does not match its digest", _aside(file), kept)


def _of_cell(cell: Path) -> Iterator[Damage]:
    if RunPaths(cell).recipe.exists():
        yield from _of_run(cell)
    file = cell / CELL
    kept = "it is moved aside; --resume runs the cell again"
    yield from _unreadable(file, lambda: json.loads(file.read_text(encoding="utf-8"))["status"], kept)


def _unreadable(file: Path, check: Callable[[], object], kept: str) -> Iterator[Damage]:
    if not file.exists():
        return
    try:
        check()
    except (AutolossError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = " ".join(str(error).split()).removeprefix(f"{file}: ")
        yield Damage(file, f"cannot be read ({what:.200})", _aside(file), kept)


def _aside(file: Path) -> Callable[[], object]:
    def move() -> None:
        with writing(file):
            file.replace(file.with_name(file.name + _ASIDE))

    return move
