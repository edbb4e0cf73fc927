"""The switch `--no-local-code`: with it, no code outside of installed plugins is imported."""

from __future__ import annotations

import os

from automl_loss.errors import RecipeError

VARIABLE = "AUTOLOSS_NO_LOCAL_CODE"
"""Environment variable that the command-line option sets, so that worker processes know it, too."""


def check_local_code(what: str) -> None:
    """Check that code outside of installed plugins may be imported.

    Args:
        what: names it, for the message.

    Raises:
        RecipeError: the switch is set.
    """
    if os.environ.get(VARIABLE, "0") not in ("", "0"):
        raise RecipeError(
            f"{what} is local code, which --no-local-code (or {VARIABLE}=1) refuses. Leave the option out if you know "
            f"this code, or have the recipe name an installed plugin."
        )
