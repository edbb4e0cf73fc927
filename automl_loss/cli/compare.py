"""Implement `autoloss compare`: run strategies head to head and test their differences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_loss.cli.trust_option import Trust
from automl_loss.errors import AutolossError

if TYPE_CHECKING:
    from rich.console import Console

    from automl_loss.comparison.recipe import Comparison


def compare(
    recipe: Annotated[str, typer.Argument(help="A recipe with `compare:`, or a name: compare-dev.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="Override a key: compare.seeds=3."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Directory of the comparison.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Run seed of the first unit.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda, in place of the recipe's.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on; finished cells are never run again, new ones are added.")
    ] = False,
    trust: Trust = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, show the plan, and stop.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print comparison.json at the end, and nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print what is supported alone.")] = False,
) -> None:
    """Run strategies head to head on tasks, models and seeds, and test what differs.

    Exit code 1 when cells failed; all others are evaluated even so, and `--resume` tries those again.
    """
    from rich.console import Console

    from automl_loss.comparison.recipe import load_comparison
    from automl_loss.record.trust import require_trust_to_resume

    if resume:
        require_trust_to_resume(recipe, output, trust=trust)
    loaded = load_comparison(recipe, set_ or [], seed=seed, device=device)
    console, errors = Console(), Console(stderr=True)
    for notice in loaded.notices:
        errors.print(f"note: {notice}", highlight=False, markup=False, soft_wrap=True)
    if dry_run:
        _show_plan(loaded, as_json=as_json)
        return
    from automl_loss.api import compare as compare_recipe
    from automl_loss.cli.compare_display import Grid

    with Grid(errors if as_json else console, loaded, quiet=quiet or as_json) as grid:
        result = compare_recipe(loaded, grid, directory=output, resume=resume, trust=trust)
    if as_json:
        typer.echo(json.dumps(result.data, indent=2))
    else:
        if not quiet:
            _print_table(console, result.data)
        for line in result.data["sentences"]:
            typer.echo(line)
        if not quiet:
            typer.echo(f"Details: {result.directory / 'report.html'}, {result.directory / 'comparison.csv'}")
    if any(cell["status"] == "failed" for cell in result.data["cells"]):
        raise typer.Exit(AutolossError.exit_code)


def _show_plan(comparison: Comparison, *, as_json: bool) -> None:
    from automl_loss.comparison.runner import check_cells
    from automl_loss.final.statistics import smallest_wilcoxon_p, units_needed
    from automl_loss.search.cost import describe
    from automl_loss.search.from_recipe import check_tasks

    check_cells(comparison)
    steps: dict[str, int] = {}
    for cell in comparison.cells:
        problem, _ = check_tasks(cell.recipe)
        steps[cell.strategy] = steps.get(cell.strategy, 0) + describe(cell.recipe, problem).steps
    if as_json:
        data = {
            "recipe": dict(comparison.data),
            "cells": [cell.name for cell in comparison.cells],
            "steps": steps,
        }
        typer.echo(json.dumps(data, indent=2))
        return
    typer.echo(comparison.to_yaml())
    typer.echo(
        f"{len(comparison.cells)} cells: {len(comparison.strategies)} strategies x {len(comparison.tasks)} tasks x "
        f"{len(comparison.models)} models x {len(comparison.seeds)} seeds; control {comparison.control}"
    )
    family = (len(comparison.strategies) - 1) * len(comparison.tasks) * len(comparison.models)
    typer.echo(
        f"Primary family: {family} tests; with {len(comparison.seeds)} units Wilcoxon's test cannot go below p = "
        f"{smallest_wilcoxon_p(len(comparison.seeds)):.2g}, and needs {units_needed(family)} for this family"
    )
    typer.echo("Training-step equivalents, about")
    width = max(map(len, steps))
    for name, count in steps.items():
        typer.echo(f"  {name:<{width}} {count:>15,}")


def _print_table(console: Console, data: Mapping[str, Any]) -> None:
    from rich.table import Table

    if not data["settings"]:
        return
    names = list(data["settings"][0]["means"])
    table = Table(
        title=f"{data['judge'].capitalize()} metric, mean ± deviation over units",
        title_justify="left",
        box=None,
        padding=(0, 1),
    )
    table.add_column("")
    for setting in data["settings"]:
        table.add_column(f"{setting['task']}, {setting['model']}\n{setting['metric']}", justify="right")
    for name in names:
        table.add_row(name, *(_cell(setting["means"][name]) for setting in data["settings"]))
    console.print()
    console.print(table)
    console.print()


def _cell(summary: Mapping[str, Any]) -> str:
    if summary["mean"] is None:
        return "-"
    return f"{summary['mean']:.4f}" + ("" if summary["std"] is None else f" ± {summary['std']:.4f}")
