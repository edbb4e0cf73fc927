"""Show the cells of `autoloss compare`: a live grid on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from automl_loss.comparison.recipe import Comparison
    from automl_loss.comparison.runner import GridProgress

_MARKS = {"done": "[green]●[/]", "no_candidate": "[yellow]○[/]", "failed": "[red]✗[/]", "open": "[dim]·[/]"}


class Grid:
    """Shows a comparison's progress; use it in a `with` statement.

    Args:
        console: the console to print on.
        comparison: the comparison being run.
        quiet: whether to show nothing.
    """

    def __init__(self, console: Console, comparison: Comparison, *, quiet: bool) -> None:
        from rich.live import Live

        self._comparison, self._console, self._quiet = comparison, console, quiet
        self._started = time.perf_counter()
        live = console.is_terminal and not quiet
        self._live = Live(console=console, transient=False) if live else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: GridProgress) -> None:
        """Show the comparison's progress."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.update(self._table(progress), refresh=True)
            return
        finished = sum(record.status != "open" for record in progress.records)
        head = f"{finished}/{len(progress.records)} cells"
        if progress.fresh is None:
            self._console.print(head, highlight=False)
            return
        cell, data = progress.fresh.cell, progress.fresh.data or {}
        what = f"{cell.task}, {cell.model}, {cell.strategy}, seed {cell.seed}"
        said = (
            f"{self._comparison.judge} {data['metric']} {data['test']:.4g}"
            if data.get("test") is not None
            else progress.fresh.status
        )
        message = f": {data['message']}" if data.get("message") else ""
        self._console.print(f"{head}  {what}  {said}{message}", highlight=False, markup=False, soft_wrap=True)

    def _table(self, progress: GridProgress) -> RenderableType:
        from rich.table import Table

        comparison = self._comparison
        finished = sum(record.status != "open" for record in progress.records)
        seconds = int(time.perf_counter() - self._started)
        title = (
            f"{comparison.name}: {finished}/{len(progress.records)} cells  {seconds // 60}:{seconds % 60:02d}"
        )
        table = Table(title=title, title_justify="left", box=None, padding=(0, 1))
        table.add_column("")
        for name in comparison.strategies:
            table.add_column(name, justify="left", no_wrap=True)
        for task in comparison.tasks:
            for model in comparison.models:
                row = [f"{task}, {model}"]
                for name in comparison.strategies:
                    own = [
                        r
                        for r in progress.records
                        if (r.cell.task, r.cell.model, r.cell.strategy) == (task, model, name)
                    ]
                    row.append("".join(_MARKS[record.status] for record in own))
                table.add_row(*row)
        table.caption = "● done  ○ no valid loss  ✗ failed  · open"
        return table
