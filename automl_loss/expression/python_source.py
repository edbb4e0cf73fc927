"""Convert an expression to Python source that needs torch alone."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Sequence
from functools import cache

from automl_loss.errors import ExpressionError, PluginError
from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive, PrimitiveSet

_LONGEST = 80
"""Characters up to which a term is written inside the one that uses it; so that a line stays readable, and
nesting stays far from where Python's parser gives up."""

_LARGEST_SINGLE = 3.4028234663852886e38
"""The largest number in single precision."""

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
    factors = [1.0] * expression.size if weights is None else [float(weight) for weight in weights]
    if len(factors) != expression.size:
        raise ExpressionError(
            f"an expression of {expression.size} nodes needs as many weights but got {len(factors)}."
        )
    for index, factor in enumerate(factors):
        if not math.isfinite(factor):
            raise ExpressionError(
                f"only finite weights can be written as source, but weight {index} of {len(factors)} is {factor}."
            )
    lines: list[str] = []

    def write(index: int, primitive: Primitive, arguments: list[tuple[str, bool]]) -> tuple[str, bool]:
        """Return a node's text, and whether its value is a number instead of a tensor."""
        factor = factors[index]
        if primitive.value is not None:
            return number_source(primitive.value * factor), True
        texts = [text for text, _ in arguments]
        all_numbers = all(is_number for _, is_number in arguments)
        for i, (text, is_number) in enumerate(arguments):
            if is_number and (all_numbers or primitive.name not in _TAKES_NUMBERS):
                texts[i] = _tensor(text)
            elif len(text) > _LONGEST:
                lines.append(f"v{len(lines) + 1} = {bare(text)}")
                texts[i] = f"v{len(lines)}"
        template = _template(primitive.name, primitive.arity, primitive.source)
        for place in _enclosed(template):
            texts[place] = bare(texts[place])
        text = template.format(*texts)
        return (text if factor == 1.0 else f"({factor!r} * {text})"), False

    text, is_number = expression.fold(write)
    lines.append(f"return {_tensor(text) if is_number else bare(text)}")
    return "\n".join(lines)


def check_sources(primitives: PrimitiveSet) -> None:
    """Check that losses of a primitive set can be exported, before a search spends time on them.

    Raises:
        PluginError: a function has no source template, or one that is not a Python expression.
    """
    for primitive in primitives.functions:
        try:
            _template(primitive.name, primitive.arity, primitive.source)
        except ExpressionError as error:
            raise PluginError(f"primitive set {type(primitives).__name__}: {error}") from error


def number_source(value: float) -> str:
    """Return Python source of a number; the exact number, whatever type of float or integer holds it."""
    number = float(value)
    return repr(number) if math.isfinite(number) else f'float("{number}")'


def _tensor(number: str) -> str:
    """Return source of a tensor of f's shape that is filled with a number."""
    # In single precision `full_like` raises for numbers that `new_tensor` makes infinite.
    if abs(float(number.removeprefix('float("').removesuffix('")'))) > _LARGEST_SINGLE:
        return f"f.new_tensor({number}).expand_as(f)"
    return f"torch.full_like(f, {number})"


@cache
def _template(name: str, arity: int, text: str) -> str:
    """Return a primitive's source template, in parentheses unless it is a name, a number or a call.

    Raises:
        ExpressionError: there is none, or it is not one Python expression of the primitive's arguments.
    """
    names = [f"argument_{place}" for place in range(arity)]
    try:
        root = ast.parse(text.format(*names), mode="eval").body
    except (SyntaxError, ValueError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        raise ExpressionError(
            f"primitive {name!r} cannot be written as Python: its source is {text!r} "
            f"({type(error).__name__}: {error}). Give it one expression of torch and "
            f"{', '.join(f'{{{place}}}' for place in range(arity)) or 'the names y and f'}."
        ) from error
    closed = isinstance(root, ast.Call | ast.Name | ast.Constant) or bare(text) != text
    return text if closed else f"({text})"


@cache
def _enclosed(template: str) -> tuple[int, ...]:
    """Return the positions of arguments that stand alone in a call, where parentheses are redundant."""
    return tuple(int(place) for place in re.findall(r"(?:(?<=\w\()|(?<=, ))\{(\d)\}(?=[,)])", template))


def bare(text: str) -> str:
    """Strip parentheses that enclose the whole text."""
    if not text.startswith("("):
        return text
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:-1] if place == len(text) - 1 else text
    return text
