"""Print the summary at the end of `autoloss run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from automl_loss.final.result import Result


def print_summary(console: Console, result: Result) -> None:
    """Print the loss as a formula, test results of it and the others, the verdict, and the paths of the files."""
    from rich.markup import escape
    from rich.panel import Panel
    from rich.table import Table

    from automl_loss.losses.formula import formula
    from automl_loss.record.run_directory import RunPaths

    test, best = result.data["test"], result.data["best"]
    console.print()
    console.print(f"[bold]Loss[/bold]    {escape(formula(result.loss))}", highlight=False, soft_wrap=True)
    notes = [f"scale {best['scale']:.4g}", f"complexity {best['complexity']}", *_conventions(result)]
    console.print(f"[dim]{'; '.join(notes)}[/dim]", highlight=False, markup=True)
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for column in ("", f"test {test['metric']}", "last step", "lr"):
        table.add_column(column, justify="left" if not column else "right")
    entries = {test["returned"]: test["learned"], **test["others"]}
    entries["task_loss"] = test["task_loss"]
    names = {
        "found": "found",
        "handcrafted": "best handcrafted",
        "task_loss": "task loss",
        "task_loss_on_validation": "task loss on clean rows alone",
        "task_loss_on_both": "task loss on all rows",
    }
    for key, entry in entries.items():
        label = names[key] if key == "found" else f"{names[key]}: {entry['loss']}"
        table.add_row(label, _cell(entry), _cell(entry["last_step"]), _rate(entry["lr"]))
    console.print(table)
    for label, task in result.data.get("tests", {}).items():
        console.print(f"{label}: {task['verdict']}", highlight=False)
    console.print(Panel(result.verdict, title="Verdict", title_align="left"), highlight=False)
    console.print(f"Time:    {_time(result)}", highlight=False, soft_wrap=True)
    folder = result.directory
    console.print(
        f"Use it:  {folder / 'best_loss.py'}   (needs torch alone)", highlight=False, soft_wrap=True
    )
    paths = RunPaths(folder)
    details = [file for file in (paths.report, paths.result) if file.exists()]
    console.print(f"Details: {', '.join(map(str, details))}", highlight=False, soft_wrap=True)


def _time(result: Result) -> str:
    """Summarise the search's time in a line: the three largest shares, and the overhead."""
    search = result.data["search"]
    profile = search["profile"]
    whole = sum(profile.values()) or 1.0
    largest = sorted(profile, key=lambda name: -profile[name])[:3]
    shares = ", ".join(f"{name} {profile[name] / whole:.0%}" for name in largest)
    workers = "" if search["workers"] == 1 else f" with {search['workers']} workers"
    return f"{search['seconds']:.0f} s of search{workers}: {shares}; overhead {search['overhead']:.0%} in all"


def _conventions(result: Result) -> list[str]:
    """Explain the formula's letters and functions."""
    expression = getattr(result.loss, "expression", None)
    if expression is None:
        return []
    protected = [name for name in ("log", "sqrt") if expression.contains(name)]
    kind = "f the prediction, y the target"
    return [kind, *([f"{' and '.join(protected)} of |x| + 1e-7"] if protected else [])]


def _rate(lr: float | None) -> str:
    """Format a learning rate; `None` means that each of several tasks has its own."""
    return "per task" if lr is None else f"{lr:.3g}"


def _cell(summary: dict[str, float | None]) -> str:
    from automl_loss.final.result import absent

    if summary["mean"] is None or summary["std"] is None:
        return absent(summary)
    return f"{summary['mean']:.4f} ± {summary['std']:.4f}"
