"""Convert an expression to Python source that needs torch alone."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache

from automl_loss.errors import ExpressionError
from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive

_LONGEST = 80
"""Characters up to which a term is written inside the one that uses it; so that a line stays readable, and
nesting stays far from where Python's parser gives up."""

_TAKES_NUMBERS = ("add", "sub", "mul")
"""Functions that accept a number beside a tensor; torch's others accept tensors alone."""


def to_source(expression: Expression, weights: Sequence[float] | None = None) -> str:
    """Return Python statements in the names `y`, `f` and `torch`, the last of which returns the value.

    Args:
        expression: every primitive has a source template.
        weights: one per node in pre-order; those equal to 1 are left out. `None`: all ones.

    Returns:
        Lines for the body of a function. They compute what `Expression.evaluate` does, node by node.

    Raises:
        ExpressionError: a weight is not finite.

    Example:
        >>> from automl_loss.expression import parse
        >>> print(to_source(parse("square(sub(y, f))"), [0.5, 1.0, 1.0, 2.0]))
        return 0.5 * torch.square(y - (2.0 * f))
    """
    factors = [1.0] * expression.size if weights is None else weights
    if not all(math.isfinite(factor) for factor in factors):
        raise ExpressionError(f"only finite weights can be written as source, but they are {list(factors)}.")
    lines: list[str] = []

    def write(index: int, primitive: Primitive, arguments: list[tuple[str, bool]]) -> tuple[str, bool]:
        """Return a node's text, and whether its value is a number instead of a tensor."""
        factor = factors[index]
        if primitive.value is not None:
            return repr(float(primitive.value * factor)), True
        texts = [text for text, _ in arguments]
        all_numbers = all(is_number for _, is_number in arguments)
        for i, (text, is_number) in enumerate(arguments):
            if is_number and (all_numbers or primitive.name not in _TAKES_NUMBERS):
                texts[i] = f"torch.full_like(f, {text})"
            elif len(text) > _LONGEST:
                lines.append(f"v{len(lines) + 1} = {_bare(text)}")
                texts[i] = f"v{len(lines)}"
        for place in _enclosed(primitive.source):
            texts[place] = _bare(texts[place])
        text = primitive.source.format(*texts)
        return (text if factor == 1.0 else f"({factor!r} * {text})"), False

    text, is_number = expression.fold(write)
    lines.append(f"return torch.full_like(f, {text})" if is_number else f"return {_bare(text)}")
    return "\n".join(lines)


@cache
def _enclosed(template: str) -> tuple[int, ...]:
    """Return the positions of arguments that stand alone in a call, where parentheses are redundant."""
    return tuple(int(place) for place in re.findall(r"(?:(?<=\w\()|(?<=, ))\{(\d)\}(?=[,)])", template))


def _bare(text: str) -> str:
    """Strip parentheses that enclose the whole text."""
    if not text.startswith("("):
        return text
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:-1] if place == len(text) - 1 else text
    return text
