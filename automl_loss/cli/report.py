"""`autoloss report`: write the report of a run anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    directory: Annotated[Path, typer.Argument(help="A run directory.", metavar="DIR")],
) -> None:
    """Write report.html and figures of a run, also of one that is still going on or was interrupted."""
    from automl_loss.report import write_report

    typer.echo(write_report(directory))
