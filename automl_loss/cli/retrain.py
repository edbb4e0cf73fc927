"""Implement `autoloss retrain`: train on another task or model under the loss of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from automl_loss.cli.trust_option import Trust


def retrain(
    directory: Annotated[
        Path, typer.Argument(help="A run directory whose run is finished.", metavar="DIR", show_default=False)
    ],
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="A task: wine, or '{name: wine, label_noise: 0.4}'. Again for more. Default: the run's.",
            metavar="TASK",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model: linear, or '{name: mlp, hidden: [100]}'. Again for more. Default: the run's.",
            metavar="MODEL",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", metavar="KEY=VALUE", help="Override a key for all targets: retraining.steps=5000."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda, in place of the run's.")] = None,
    trust: Trust = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the targets' results as JSON, and nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print one verdict a target, alone.")] = False,
) -> None:
    """Train every given task with every given model under a found loss, beside the task loss.

    Each loss gets its own best learning rate on validation, and scale and seeds are fresh; test rows are read
    once, at the end. Results go to DIR/transfer; a target that is finished there is not trained again.
    """
    from rich.console import Console

    from automl_loss.after.finished_run import FinishedRun
    from automl_loss.after.transfer import summary, transfer
    from automl_loss.after.transfer_targets import targets_of
    from automl_loss.cli.display import display_for
    from automl_loss.record.run_directory import RunPaths

    run = FinishedRun.read(directory, trust=trust)
    targets = targets_of(run, task or [], model or [], set_ or [], device)
    console, errors = Console(), Console(stderr=True)
    with display_for(errors if as_json else console, quiet=quiet or as_json) as display:
        results = transfer(run, targets, display)
    if as_json:
        named = [{"folder": t.folder, **r.data} for t, r in zip(targets, results, strict=True)]
        typer.echo(json.dumps(summary(run, named), indent=2))
    elif quiet:
        for result in results:
            typer.echo(f"{result.label}: {result.data['verdict']}")
    else:
        from automl_loss.cli.transfer_table import print_transfer

        print_transfer(console, run, results, RunPaths(directory).transfer / "transfer.json")
