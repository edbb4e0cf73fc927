"""Write a loss as one line for a person to read in a terminal.

Weights are gathered into the fewest numbers: a node is a sum of terms, each a coefficient and a text, and a factor
of a sum is multiplied into its terms. The value stays the same; `str(expression)` gives the tree.
"""

from __future__ import annotations

from automl_loss.expression import Primitive
from automl_loss.losses.base import Loss
from automl_loss.losses.symbolic import SymbolicLoss

Terms = tuple[tuple[float, str], ...]
"""A sum of coefficient times text; an empty text stands for 1."""


def formula(loss: Loss, digits: int = 3) -> str:
    """Write the loss of one output, without its scale.

    Args:
        loss: any loss; a handcrafted one is shown by its name.
        digits: number of significant digits; a factor that rounds to 1 is left out.

    Example:
        >>> from automl_loss.expression import parse
        >>> formula(SymbolicLoss(parse("mul(y, log(sub(f, y)))"), (-1.0, 1.0, 0.7, 1.0, 1.0, 1.0)))
        'L(y, f) = -0.7·y·log(f - y)'
    """
    if not isinstance(loss, SymbolicLoss):
        return f"L = {loss.key}"

    def gather(index: int, primitive: Primitive, arguments: list[Terms]) -> Terms:
        return _scaled(_operation(primitive, arguments, digits), loss.weights[index])

    text = _sum(loss.expression.fold(gather), digits)
    return f"L(y, f) = softplus({text})" if loss.activation == "softplus" else f"L(y, f) = {text}"


def _operation(primitive: Primitive, arguments: list[Terms], digits: int) -> Terms:
    name = primitive.name
    if primitive.value is not None:
        return ((primitive.value, ""),)
    if name in ("add", "sub"):
        first, second = arguments
        return _merged((*first, *_scaled(second, 1.0 if name == "add" else -1.0)))
    if name == "mul":
        return _product(arguments[0], arguments[1], digits)
    if name in ("square", "abs"):
        (factor, text), *more = arguments[0]
        if more:
            factor, text = 1.0, _sum(arguments[0], digits)
        if name == "abs":
            return ((abs(factor), f"|{text}|" if text else ""),)
        return ((factor * factor, _squared(text) if text else ""),)
    if name == "div":
        top, below = _factor(arguments[0], digits), _squared(_sum(arguments[1], digits))
        return ((top[0], f"{top[1] or 1}/√(1 + {below})"),)
    inside = ", ".join(_sum(argument, digits) for argument in arguments)
    return ((1.0, f"{name}({inside})" if arguments else name),)


def _product(first: Terms, second: Terms, digits: int) -> Terms:
    for one, other in ((first, second), (second, first)):
        if len(one) == 1 and not one[0][1]:
            return _scaled(other, one[0][0])
    left, right = _factor(first, digits), _factor(second, digits)
    return ((left[0] * right[0], f"{left[1]}·{right[1]}"),)


def _factor(terms: Terms, digits: int) -> tuple[float, str]:
    """Return terms as one coefficient and a text that can be a factor of a product."""
    return terms[0] if len(terms) == 1 else (1.0, f"({_sum(terms, digits)})")


def _scaled(terms: Terms, factor: float) -> Terms:
    return tuple((factor * number, text) for number, text in terms)


def _merged(terms: Terms) -> Terms:
    """Add up like terms, in the order of first occurrence."""
    total: dict[str, float] = {}
    for number, text in terms:
        total[text] = total.get(text, 0.0) + number
    return tuple((number, text) for text, number in total.items() if number) or ((0.0, ""),)


def _squared(text: str) -> str:
    whole = text in ("y", "f") or (text.startswith("|") and text.count("|") == 2 and text.endswith("|"))
    return f"{text}²" if whole else f"({text})²"


def _sum(terms: Terms, digits: int) -> str:
    """Write a sum of terms: `y - 0.7·f + 1`."""
    parts: list[str] = []
    for number, text in terms:
        size = f"{abs(number):.{digits}g}"
        shown = text if text and size == "1" else f"{size}·{text}" if text else size
        if not parts:
            parts.append(f"-{shown}" if number < 0 else shown)
        else:
            parts.append(f" - {shown}" if number < 0 else f" + {shown}")
    return "".join(parts)
