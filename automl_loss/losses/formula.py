"""A loss as a line that a person reads in a terminal."""

from __future__ import annotations

from automl_loss.losses.base import Loss
from automl_loss.losses.symbolic import SymbolicLoss

_INFIX = {"add": "+", "sub": "-", "mul": "·"}
_STRENGTH = {"add": 1, "sub": 1, "mul": 2}


def formula(loss: Loss) -> str:
    """The loss per sample, without its scale.

    Weights are shown to three significant digits where they differ from 1 by more than 0.5 %.

    Example:
        >>> from automl_loss.expression import parse, standard_primitives
        >>> formula(SymbolicLoss(parse("mul(y, log(f))", standard_primitives()), (-1.0, 1.0, 0.7, 1.0)))
        'L(y, f) = -1·(y·0.7·log(f))'
    """
    if not isinstance(loss, SymbolicLoss):
        return f"L = {loss.key}"
    text = _render(loss, 0)[0]
    return f"L(y, f) = softplus({text})" if loss.activation == "softplus" else f"L(y, f) = {text}"


def _render(loss: SymbolicLoss, index: int) -> tuple[str, int]:
    """Text of a node, and how strongly its outermost operation binds."""
    node = loss.expression.subtree(index)
    name = node.primitive.name
    parts = []
    position = index + 1
    for child in node.children:
        parts.append(_render(loss, position))
        position += child.size
    if name in _INFIX:
        own = _STRENGTH[name]
        left = parts[0][0] if parts[0][1] >= own else f"({parts[0][0]})"
        tight = parts[1][1] > own or (parts[1][1] == own and name != "sub")
        right = parts[1][0] if tight and not parts[1][0].startswith("-") else f"({parts[1][0]})"
        gap = "" if name == "mul" else " "
        text, strength = f"{left}{gap}{_INFIX[name]}{gap}{right}", own
    elif name == "square":
        text, strength = f"{parts[0][0]}²" if parts[0][1] > 2 else f"({parts[0][0]})²", 3
    elif name == "abs":
        text, strength = f"|{parts[0][0]}|", 3
    elif name == "div":
        text, strength = f"({parts[0][0]})/√(1 + ({parts[1][0]})²)", 2
    elif parts:
        text, strength = f"{name}({', '.join(part for part, _ in parts)})", 3
    else:
        text, strength = name, 3
    weight = loss.weights[index]
    if abs(weight - 1.0) <= 0.005:
        return text, strength
    return f"{weight:.3g}·{text if strength >= 3 else f'({text})'}", 2
