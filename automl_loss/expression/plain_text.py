"""Write an expression as one line of plain text: `-0.7·y·log(f - y)`."""

from __future__ import annotations

from collections.abc import Sequence

from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive
from automl_loss.expression.written import Notation, written

LARGEST = 2_500
"""Nodes up to which a formula is written; the text of a larger expression is cut short."""

_SHOWN = 200


def to_text(expression: Expression, weights: Sequence[float] | None = None, digits: int = 3) -> str:
    """Return the expression as mathematics in one line.

    Args:
        expression: of at most `LARGEST` nodes; of a larger one the beginning of its text and its size are returned.
        weights: one per node in pre-order. `None`: all ones.
        digits: number of significant digits; a factor that rounds to 1 is left out.

    Example:
        >>> from automl_loss.expression import parse
        >>> to_text(parse("square(sub(y, f))"), [0.5, 1.0, 1.0, 2.0])
        '0.5·(y - 2·f)²'
    """
    if expression.size > LARGEST:
        return f"{str(expression)[:_SHOWN]}... ({expression.size:,} nodes)"
    return written(expression, weights, _PlainText(digits))


class _PlainText(Notation):
    def number(self, size: float) -> str:
        return f"{size:.{self.digits}g}"

    def product(self, first: str, second: str) -> str:
        return f"{first}·{second}"

    def group(self, text: str) -> str:
        return f"({text})"

    def square(self, text: str) -> str:
        bars = text.startswith("|") and text.count("|") == 2 and text.endswith("|")
        return f"{text}²" if text in ("y", "f") or bars else f"({text})²"

    def absolute(self, text: str) -> str:
        return f"|{text}|"

    def quotient(self, top: str, below: str) -> str:
        return f"{top or 1}/√(1 + {self.square(below)})"

    def function(self, primitive: Primitive, arguments: Sequence[str]) -> str:
        return f"{primitive.name}({', '.join(arguments)})" if arguments else primitive.name
