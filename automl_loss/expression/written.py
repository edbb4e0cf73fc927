"""Write an expression as mathematics for a person to read, in a notation: plain text or LaTeX.

Weights are gathered into the fewest numbers: a node is a sum of terms, each a coefficient and a text, and a factor
of a sum is multiplied into its terms. The value stays the same; `str(expression)` gives the tree. One pass over
the tree, without SymPy: its time grows with the number of nodes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive
from automl_loss.expression.vocabulary import is_standard

Terms = tuple[tuple[float, str], ...]
"""A sum of coefficient times text; an empty text stands for 1."""


class Notation(ABC):
    """How numbers, products and functions are written; texts are handed in and out.

    Args:
        digits: number of significant digits; a factor that rounds to 1 is left out.
    """

    def __init__(self, digits: int) -> None:
        self.digits = digits

    @abstractmethod
    def number(self, size: float) -> str:
        """Write a number that is not negative."""

    @abstractmethod
    def product(self, first: str, second: str) -> str:
        """Write the product of two factors."""

    @abstractmethod
    def group(self, text: str) -> str:
        """Put a sum in parentheses."""

    @abstractmethod
    def square(self, text: str) -> str:
        """Write the square of any text."""

    @abstractmethod
    def absolute(self, text: str) -> str:
        """Write the absolute value of any text."""

    @abstractmethod
    def quotient(self, top: str, below: str) -> str:
        """Write top / sqrt(1 + below^2), for any text below."""

    @abstractmethod
    def function(self, primitive: Primitive, arguments: Sequence[str]) -> str:
        """Write any other primitive; a terminal has no arguments."""


def written(expression: Expression, weights: Sequence[float] | None, notation: Notation) -> str:
    """Write an expression.

    Args:
        expression: the tree.
        weights: one per node in pre-order. `None`: all ones.
        notation: how its parts are written.
    """
    writer = _Writer(notation)

    def gather(index: int, primitive: Primitive, arguments: list[Terms]) -> Terms:
        terms = writer.operation(primitive, arguments)
        return terms if weights is None else writer.scaled(terms, weights[index])

    return writer.sum(expression.fold(gather))


class _Writer:
    def __init__(self, notation: Notation) -> None:
        self._notation = notation

    def operation(self, primitive: Primitive, arguments: list[Terms]) -> Terms:
        """Apply a primitive to sums of terms."""
        notation = self._notation
        if primitive.value is not None:
            return ((primitive.value, ""),)
        name = primitive.name if is_standard(primitive) else ""
        if name in ("add", "sub"):
            first, second = arguments
            return _merged((*first, *self.scaled(second, 1.0 if name == "add" else -1.0)))
        if name == "mul":
            return self._product(*arguments)
        if name in ("square", "abs"):
            factor, text = arguments[0][0]
            outside = abs(factor) if name == "abs" else factor * factor
            if len(arguments[0]) > 1 or not math.isfinite(outside):
                outside, text = 1.0, self.sum(arguments[0])
            write = notation.absolute if name == "abs" else notation.square
            return ((outside, write(text) if text else ""),)
        if name == "div":
            factor, top = self._factor(arguments[0])
            return ((factor, notation.quotient(top, self.sum(arguments[1]))),)
        return ((1.0, notation.function(primitive, [self.sum(argument) for argument in arguments])),)

    def sum(self, terms: Terms) -> str:
        """Write a sum of terms: `y - 0.7·f + 1`."""
        parts: list[str] = []
        one = self._notation.number(1.0)
        for number, text in terms:
            size = self._notation.number(abs(number))
            shown = size if not text else text if size == one else self._notation.product(size, text)
            sign = "-" if number < 0 else ""
            parts.append(f"{' - ' if sign else ' + '}{shown}" if parts else f"{sign}{shown}")
        return "".join(parts)

    def scaled(self, terms: Terms, factor: float) -> Terms:
        """Multiply a sum by a number; where a coefficient would overflow, the sum stays as it is, in parentheses."""
        if factor == 1.0:
            return terms
        products = tuple((factor * number, text) for number, text in terms)
        if all(math.isfinite(number) for number, _ in products):
            return products
        return ((factor, self._notation.group(self.sum(terms))),)

    def _product(self, first: Terms, second: Terms) -> Terms:
        for one, other in ((first, second), (second, first)):
            if len(one) == 1 and not one[0][1]:
                return self.scaled(other, one[0][0])
        left, right = self._factor(first), self._factor(second)
        number = left[0] * right[0]
        if math.isfinite(number):
            return ((number, self._notation.product(left[1], right[1])),)
        return ((left[0], self._notation.product(left[1], self._notation.group(self.sum((right,))))),)

    def _factor(self, terms: Terms) -> tuple[float, str]:
        """Return terms as one coefficient and a text that can be a factor of a product."""
        return terms[0] if len(terms) == 1 else (1.0, self._notation.group(self.sum(terms)))


def _merged(terms: Terms) -> Terms:
    """Add up like terms, in the order of first occurrence; terms whose sum would overflow stay apart."""
    total: dict[str, float] = {}
    for number, text in terms:
        total[text] = total.get(text, 0.0) + number
    if not all(math.isfinite(number) for number in total.values()):
        return terms
    return tuple((number, text) for text, number in total.items() if number) or ((0.0, ""),)
