"""Write a loss as one line for a person to read in a terminal."""

from __future__ import annotations

from automl_loss.expression.plain_text import to_text
from automl_loss.losses.base import Loss
from automl_loss.losses.symbolic import SymbolicLoss

_LONGEST = 500
"""Characters of a key that are shown."""


def formula(loss: Loss, digits: int = 3) -> str:
    """Write the loss of one output, without its scale.

    Args:
        loss: any loss; one without an expression is shown by its key, unprintable characters as escapes.
        digits: number of significant digits; a factor that rounds to 1 is left out.

    Example:
        >>> from automl_loss.expression import parse
        >>> formula(SymbolicLoss(parse("mul(y, log(sub(f, y)))"), (-1.0, 1.0, 0.7, 1.0, 1.0, 1.0)))
        'L(y, f) = -0.7·y·log(f - y)'
    """
    if not isinstance(loss, SymbolicLoss):
        return f"L = {_line(loss.key)}"
    text = _line(to_text(loss.expression, loss.weights, digits), longest=None)
    return f"L(y, f) = softplus({text})" if loss.activation == "softplus" else f"L(y, f) = {text}"


def _line(text: str, longest: int | None = _LONGEST) -> str:
    """Return text that prints as one line and moves no cursor, cut short if need be."""
    if longest is not None and len(text) > longest:
        text = f"{text[:longest]}..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
