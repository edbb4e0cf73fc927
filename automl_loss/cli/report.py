"""Implement `autoloss report`: write the report of a run or a comparison anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl_loss.cli.trust_option import Trust


def report(
    directory: Annotated[Path, typer.Argument(help="Directory of a run or a comparison.", metavar="DIR")],
    trust: Trust = False,
) -> None:
    """Write report.html and figures anew, also of what is still going on or was interrupted."""
    from automl_loss.record.run_directory import CELLS

    if (directory / CELLS).is_dir():
        from automl_loss.comparison.report import write_comparison_anew

        typer.echo(write_comparison_anew(directory, trust=trust))
    else:
        from automl_loss.report import write_report

        typer.echo(write_report(directory, trust=trust))
