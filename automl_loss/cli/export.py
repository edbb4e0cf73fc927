"""Implement `autoloss export`: print the loss of a run in another form."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Annotated

import typer

from automl_loss.errors import AutolossError


class Form(enum.StrEnum):
    """Forms of a loss."""

    python = "python"
    latex = "latex"
    sympy = "sympy"
    json = "json"


def export(
    directory: Annotated[Path, typer.Argument(help="A run directory, or a best_loss.json.", metavar="DIR")],
    to: Annotated[Form, typer.Option("--to", help="What to print.")] = Form.python,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Run the code that the directory's recipe names, though you did not start it here.",
        ),
    ] = False,
) -> None:
    """Print the loss of a run as a Python module, LaTeX, SymPy or JSON."""
    from automl_loss.api import read_loss

    loss, problem = read_loss(directory, trust=trust)
    if to is Form.python:
        from automl_loss.losses import render_module

        typer.echo(render_module(loss, problem))
    elif to is Form.json:
        typer.echo(json.dumps(loss.to_json(), indent=2))
    elif to is Form.latex:
        if loss.latex is None:
            raise AutolossError(f"{loss.key} has no formula; export it with --to python.")
        typer.echo(loss.latex)
    else:
        if not hasattr(loss, "expression"):
            raise AutolossError(
                f"{loss.key} is not a symbolic loss; export it with --to python or --to latex."
            )
        from automl_loss.expression import to_sympy

        typer.echo(str(to_sympy(loss.expression, loss.weights) * loss.scale))
