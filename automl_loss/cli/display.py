"""Show a run while it lasts: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from automl_loss.plugins import Outcome
    from automl_loss.search.progress import Progress

_STAGES = {
    "learning_rate": "learning rate of the task loss",
    "search": "search",
    "handcrafted": "handcrafted losses",
    "finalists": "finalists on fresh seeds",
    "retraining_rate": "learning rates at the retraining length",
    "retraining": "retraining",
}
_ROWS = 8


class Quiet:
    """Shows nothing."""

    def __call__(self, progress: Progress) -> None:
        """Receive a message of the run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return


class PlainLines(Quiet):
    """Prints one line for each generation and stage, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[str, int] | None = None

    def __call__(self, progress: Progress) -> None:
        """See `Quiet.__call__`."""
        if progress.stage == "done":
            return
        finished = progress.stage != "search" and progress.done == progress.total
        new_generation = progress.stage == "search" and progress.generation_done
        if progress.message:
            self._print(progress.message)
        if finished:
            self._print(f"{_STAGES[progress.stage]}: {progress.done:.0f} runs, {progress.seconds:.0f} s")
        elif new_generation:
            self._print(self._generation(progress))

    def _generation(self, progress: Progress) -> str:
        best = progress.best[0] if progress.best else None
        found = f"best {_fitness(progress, best)} {_expression(best)}" if best is not None else "nothing yet"
        counts = ", ".join(f"{count} {status}" for status, count in progress.counts.items() if count)
        return (
            f"generation {progress.generation}: {progress.done:.0f}/{progress.total:.0f} candidates "
            f"({counts}), {progress.seconds:.0f} s; {found}"
        )

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class LiveTable(Quiet):
    """Shows the best losses so far, above a bar of the budget."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._search: Progress | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """See `Quiet.__call__`."""
        if progress.message:
            self._live.console.print(progress.message, highlight=False, markup=False)
        if progress.stage == "done":
            return
        if progress.stage == "search":
            self._search = progress
        parts: list[RenderableType] = []
        if self._search is not None:
            parts.append(_table(self._search))
        parts.append(_bar(progress))
        self._live.update(Group(*parts))


def _table(progress: Progress) -> Table:
    title = f"generation {progress.generation}" if progress.generation >= 0 else "task loss"
    table = Table(title=f"Best losses, {title}", title_justify="left", expand=True, box=None, padding=(0, 1))
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column(f"validation {progress.metric}", justify="right", no_wrap=True)
    table.add_column("loss", ratio=1, overflow="ellipsis", no_wrap=True)
    for rank, outcome in enumerate(progress.best[:_ROWS], start=1):
        table.add_row(
            str(rank), _fitness(progress, outcome), _expression(outcome), style="bold" if rank == 1 else None
        )
    if progress.task_loss is not None:
        table.add_row(
            "",
            _fitness(progress, progress.task_loss),
            f"{progress.task_loss.loss.key} (task loss)",
            style="cyan",
        )
    counts = ", ".join(f"{count} {status}" for status, count in progress.counts.items() if count)
    table.caption = counts
    table.caption_justify = "left"
    return table


def _bar(progress: Progress) -> Table:
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True, justify="right")
    unit = "candidates" if progress.stage == "search" else "runs"
    line.add_row(
        Text(_STAGES[progress.stage]),
        ProgressBar(total=max(progress.total, 1.0), completed=progress.done),
        Text(f"{progress.done:.0f}/{progress.total:.0f} {unit}  {_clock(progress.seconds)}", style="dim"),
    )
    return line


def _fitness(progress: Progress, outcome: Outcome | None) -> str:
    if outcome is None or outcome.fitness is None:
        return "-"
    return f"{progress.show(outcome.fitness):.4f}"


def _expression(outcome: Outcome | None) -> str:
    return "" if outcome is None else str(getattr(outcome.loss, "expression", outcome.loss.key))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def display_for(console: Console, *, quiet: bool) -> Quiet:
    """Return the display for a console: live on a terminal, plain lines elsewhere."""
    if quiet:
        return Quiet()
    return LiveTable(console) if console.is_terminal else PlainLines(console)
