"""Print the transfer table at the end of `autoloss retrain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from automl_loss.after.finished_run import FinishedRun
    from automl_loss.after.transfer import Transferred

_LEVEL = 0.05
_WIDE = 400
_COLUMNS = ("task", "model", "metric", "transferred", "task loss", "difference [95 %]", "p")


def print_transfer(console: Console, run: FinishedRun, results: Sequence[Transferred], file: Path) -> None:
    """Print a row for each target, the conclusion over all targets, and the path of the numbers.

    Args:
        console: the console to print on.
        run: the run whose loss was transferred.
        results: one for each target.
        file: the file with the numbers.
    """
    from rich import box
    from rich.console import Console as Wide
    from rich.markup import escape
    from rich.table import Table

    from automl_loss.losses.formula import formula

    console.print()
    console.print(f"[bold]Loss[/bold]    {escape(formula(run.loss))}", highlight=False, soft_wrap=True)
    origin = f"found on {run.recipe.task.label}, {run.recipe.model.label}"
    console.print(f"[dim]{origin}; scale matched afresh for each target[/dim]", highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in ("task", "model", "metric") else "right")
    for result in results:
        table.add_row(*_row(result.data))
    # No line is wrapped in a pipe, so that `grep` finds a target on one line.
    wide = console if console.is_terminal else Wide(width=_WIDE, file=console.file)
    wide.print(table, highlight=False)
    for result in results:
        if result.data["status"] != "trained":
            console.print(f"{result.label}: {result.data['verdict']}", highlight=False, soft_wrap=True)
    console.print(together([result.data for result in results]), highlight=False, soft_wrap=True)
    console.print(f"Details: {file}", highlight=False, soft_wrap=True)


def together(targets: Sequence[Mapping[str, Any]]) -> str:
    """Count the targets that support the loss, corrected for the number tried.

    Args:
        targets: contents of `target.json`.
    """
    from automl_loss.final.statistics import holm

    tested = [target["test"] for target in targets if target["status"] == "trained"]
    if not tested:
        return "The loss applies to none of the targets."
    corrected = holm([test["difference"]["p_value"] for test in tested])
    better = worse = 0
    for test, p_value in zip(tested, corrected, strict=True):
        mean = test["difference"]["mean"]
        if mean is not None and p_value < _LEVEL:
            gains = (mean < 0) == test["lower_is_better"]
            better, worse = better + gains, worse + (not gains)
    rest = len(targets) - better - worse
    correction = (
        "" if len(tested) == 1 else f", p values corrected for {len(tested)} targets by Holm's method"
    )
    return (
        f"Against the task loss: better on {better}, worse on {worse}, no supported difference on {rest} "
        f"(level {_LEVEL:g}{correction}; intervals cover seeds and test rows, not other splits)."
    )


def _row(data: Mapping[str, Any]) -> tuple[str, ...]:
    from rich.markup import escape

    words = (escape(data["label"]["task"]), escape(data["label"]["model"]), escape(data["metric"]))
    test = data["test"]
    if test is None:
        return (*words, "no gradient", "-", "-", "-")
    learned, usual, difference = test["learned"], test["task_loss"], test["difference"]
    mean, (low, high) = difference["mean"], difference["ci95"]
    interval = "-" if mean is None or low is None else f"{mean:+.4f} \\[{low:+.4f}, {high:+.4f}]"
    p_value = "-" if mean is None else f"{difference['p_value']:.2g}"
    return (*words, _value(learned), _value(usual), interval, p_value)


def _value(summary: Mapping[str, Any]) -> str:
    if summary["mean"] is None or summary["std"] is None:
        from automl_loss.final.result import absent

        return absent(summary)
    return f"{summary['mean']:.4f} ± {summary['std']:.4f}"
