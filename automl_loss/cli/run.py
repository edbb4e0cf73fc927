"""Implement `autoloss run`: search for a loss, retrain under it, and print the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from automl_loss.cli.trust_option import Trust


def run(
    recipe: Annotated[
        str, typer.Argument(help="A recipe file, or a name from `autoloss recipes list`: quickstart.")
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="Override a key: strategy.population=50."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Run directory.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Run seed, in place of the recipe's.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda, in place of the recipe's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    trust: Trust = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, show the plan, and stop.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print result.json at the end, and nothing else.")
    ] = False,
    report: Annotated[
        bool | None,
        typer.Option("--report/--no-report", help="Write report.html at the end. Default: yes."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict alone.")] = False,
) -> None:
    """Search for a loss, retrain under it, and say what came of it."""
    from rich.console import Console

    from automl_loss.recipe import load_recipe
    from automl_loss.record.trust import require_trust_to_resume

    if resume:
        require_trust_to_resume(recipe, output, trust=trust)
    resolved = load_recipe(recipe, set_ or [], seed=seed, device=device)
    errors = Console(stderr=True)
    for notice in resolved.notices:
        errors.print(f"note: {notice}", highlight=False, markup=False, soft_wrap=True)
    if dry_run:
        from automl_loss.cli.dry_run import show_plan

        show_plan(resolved, as_json=as_json)
        return
    from automl_loss.api import run as run_recipe
    from automl_loss.cli.display import display_for

    console = Console()
    with display_for(errors if as_json else console, quiet=quiet or as_json) as display:
        result = run_recipe(resolved, display, directory=output, resume=resume, report=report, trust=trust)
    if as_json:
        typer.echo(json.dumps(result.data, indent=2))
    elif quiet:
        typer.echo(result.verdict)
    else:
        from automl_loss.cli.summary import print_summary

        print_summary(console, result)
