"""Implement `autoloss top`: print the best losses of a run, which may still be running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl_loss.errors import AutolossError, RecipeError

_NUMBERS = {"rank", "fitness", "complexity", "lr", "seconds"}
_SHOWN = ("rank", "fitness", "status", "complexity", "lr", "seconds", "expression")


def top(
    directory: Annotated[Path, typer.Argument(help="A run directory.", metavar="DIR")],
    number: Annotated[int, typer.Option("-n", min=1, help="How many losses.", metavar="N")] = 10,
) -> None:
    """Print the best losses of a run, also of one that is still going on."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    rows = read_leaderboard(directory)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _SHOWN:
        if column == "expression":
            table.add_column("loss", overflow="fold")
        else:
            table.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=True)
    for row in rows[:number]:
        table.add_row(*(_cell(column, row[column]) for column in _SHOWN))
    console = Console()
    if not console.is_terminal:
        # No line is wrapped in a pipe, so that `grep` finds a loss on one line.
        console = Console(width=_width(rows[:number]))
    console.print(table)
    if len(rows) > number:
        typer.echo(f"{len(rows) - number} more in {directory / 'leaderboard.csv'}")


def read_leaderboard(directory: Path) -> list[dict[str, str]]:
    """Read the rows of a run's leaderboard, best first, as text by column.

    Raises:
        RecipeError: there is no such directory.
        AutolossError: it has no leaderboard, or one with other columns.
    """
    from automl_loss.record import run_reader
    from automl_loss.record.run_directory import RunPaths

    file = RunPaths(directory).leaderboard
    if not directory.is_dir():
        raise RecipeError(f"{directory}: there is no such run directory.")
    if not file.exists():
        raise AutolossError(
            f"{file}: there is no leaderboard. A run writes it after its first generation: "
            f"wait, or name another directory."
        )
    try:
        rows = run_reader.read_leaderboard(file, _SHOWN)
    except ValueError as error:
        raise AutolossError(
            f"{file}: this is not a leaderboard: {error}. Restore the file from a copy; a run that is resumed "
            f"writes it again."
        ) from error
    table = [{column: row[column] or "" for column in _SHOWN} for row in rows]
    for line, row in enumerate(table, start=1):
        for column in ("fitness", "lr", "seconds"):
            if not _is_number(row[column]):
                raise AutolossError(
                    f"{file}: row {line}, column {column}: must be a number or empty but is {row[column]!r:.80}. "
                    f"Restore the file from a copy; a run that is resumed writes it again."
                )
    return table


def _is_number(text: str) -> bool:
    try:
        float(text or "0")
    except ValueError:
        return False
    return True


def _cell(column: str, text: str) -> str:
    from rich.markup import escape

    if not text:
        return "-"
    if column == "fitness":
        return f"{float(text):.4f}"
    if column == "lr":
        return f"{float(text):.3g}"
    if column == "seconds":
        return f"{float(text):.1f}"
    return escape("".join(c if c.isprintable() else "?" for c in text))


def _width(rows: list[dict[str, str]]) -> int:
    return 80 + max((len(row["expression"]) for row in rows), default=0)
