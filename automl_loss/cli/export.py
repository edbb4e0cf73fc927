"""Implement `autoloss export`: print the loss of a run in another form."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_loss.cli.trust_option import Trust
from automl_loss.errors import AutolossError, ExpressionError

if TYPE_CHECKING:
    from automl_loss.losses import Loss


class Form(enum.StrEnum):
    """Forms of a loss."""

    python = "python"
    latex = "latex"
    sympy = "sympy"
    json = "json"


def export(
    directory: Annotated[Path, typer.Argument(help="A run directory, or a best_loss.json.", metavar="DIR")],
    to: Annotated[Form, typer.Option("--to", help="What to print.")] = Form.python,
    trust: Trust = False,
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
            raise AutolossError(f"{_without_latex(loss)}; export it with --to python.")
        typer.echo(loss.latex)
    else:
        from automl_loss.expression.sympy_form import sympy_text
        from automl_loss.losses import SymbolicLoss

        if not isinstance(loss, SymbolicLoss):
            raise AutolossError(
                f"{loss.key} is not a symbolic loss; export it with --to python or --to latex."
            )
        softplus = loss.activation == "softplus"
        try:
            typer.echo(sympy_text(loss.expression, loss.weights, scale=loss.scale, softplus=softplus))
        except ExpressionError as error:
            raise AutolossError(f"{error} Export it with --to python.") from error


def _without_latex(loss: Loss) -> str:
    """Return why a loss has no LaTeX."""
    from automl_loss.expression.latex import HIGHEST, LARGEST
    from automl_loss.losses import SymbolicLoss

    if isinstance(loss, SymbolicLoss):
        tree = loss.expression
        return (
            f"the loss has {tree.size:,} nodes and height {tree.height:,}, and LaTeX is written up to {LARGEST:,} "
            f"nodes and height {HIGHEST}"
        )
    return f"{loss.key} has no formula"
