"""From expression to Python text that needs torch alone."""

from __future__ import annotations

from collections.abc import Sequence

from automl_loss.expression.expression import Expression


def to_source(expression: Expression, weights: Sequence[float]) -> str:
    """A Python expression in the names `y` and `f`.

    Args:
        expression: every primitive has a source template.
        weights: one per node in pre-order; those equal to 1 are left out.

    Example:
        >>> from automl_loss.expression import parse, standard_primitives
        >>> to_source(parse("square(sub(y, f))", standard_primitives()), [1.0, 1.0, 1.0, 2.0])
        'torch.square((y - (2.0 * f)))'
    """
    return _render(expression, list(weights), 0)


def _render(expression: Expression, weights: Sequence[float], index: int) -> str:
    arguments = []
    position = index + 1
    for child in expression.children:
        arguments.append(_render(child, weights, position))
        position += child.size
    primitive = expression.primitive
    text = primitive.source.format(*arguments)
    if not arguments and primitive.value is not None:
        # A number is no tensor, and torch's functions of two tensors would refuse it.
        text = f"torch.full_like(f, {float(primitive.value) * weights[index]!r})"
        return text
    return text if weights[index] == 1 else f"({weights[index]!r} * {text})"
