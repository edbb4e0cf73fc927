"""Implement `autoloss landscape`: draw the loss surface around minima of the found loss and the task loss."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from automl_loss.cli.trust_option import Trust


def landscape(
    directory: Annotated[
        Path, typer.Argument(help="A run directory whose run is finished.", metavar="DIR", show_default=False)
    ],
    grid: Annotated[int, typer.Option(min=3, max=501, help="Points along each side of a surface.")] = 31,
    span: Annotated[
        float, typer.Option(min=1e-6, help="How far a surface reaches; 1: filters change by their own norm.")
    ] = 1.0,
    rows: Annotated[int, typer.Option(min=2, help="Most training and validation rows to look at.")] = 500,
    seeds: Annotated[int, typer.Option(min=1, help="Networks trained under each loss.")] = 3,
    directions: Annotated[int, typer.Option(min=1, help="Random directions that flatness averages.")] = 20,
    radius: Annotated[float, typer.Option(min=1e-6, help="Of the ball in which flatness is measured.")] = 0.5,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps; default: those of retraining.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda, in place of the run's.")] = None,
    trust: Trust = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print landscape.json, and nothing else.")] = False,
) -> None:
    """Draw the loss surface around networks trained under the found loss and under the task loss.

    Two filter-normalised random directions (Li et al. 2018), and a flatness figure: how much task loss and metric
    on validation rise, on average, when every filter is disturbed by up to RADIUS of its norm. Files go to
    DIR/landscape, in place of earlier ones, and the figures into DIR/report.html.
    """
    from automl_loss.after import landscape as landscapes
    from automl_loss.after.finished_run import FinishedRun
    from automl_loss.report import write_report
    from automl_loss.report.landscape import write_landscape_figures

    settings = landscapes.LandscapeSettings(
        grid=grid, span=span, rows=rows, seeds=seeds, directions=directions, radius=radius, steps=steps
    )
    run = FinishedRun.read(directory, device=device, trust=trust)
    data = landscapes.landscape(run, settings, (lambda text: None) if as_json else typer.echo)
    files = [*write_landscape_figures(directory, data), write_report(directory)]
    if as_json:
        typer.echo(json.dumps(data, indent=1))
        return
    metric = data["metric"]
    typer.echo(
        f"flatness: mean rise on validation within {radius:g} of each filter's norm, of task loss and {metric}"
    )
    for network in data["networks"].values():
        loss, rise = (
            _said(network["flatness"][name]) for name in ("validation_task_loss", "validation_metric")
        )
        typer.echo(f"  {network['loss']}: {loss}; {rise} from {network['networks'][0]['validation']:.4g}")
    for file in files:
        typer.echo(file)


def _said(flat: Mapping[str, Any]) -> str:
    return "not finite" if flat["mean"] is None else f"{flat['mean']:+.4f} ± {flat['std']:.4f}"
