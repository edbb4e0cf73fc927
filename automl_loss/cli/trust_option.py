"""Define the option `--trust` of the commands that may run code of a stranger's run directory."""

from __future__ import annotations

from typing import Annotated

import typer

Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Run the code that the directory's recipe names, though you did not start it here."
    ),
]
