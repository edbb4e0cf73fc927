"""A loss as a line that a person reads in a terminal."""

from __future__ import annotations

from automl_loss.expression import Primitive
from automl_loss.losses.base import Loss
from automl_loss.losses.symbolic import SymbolicLoss

_INFIX = {"add": (" + ", 1), "sub": (" - ", 1), "mul": ("·", 2)}
"""Sign, and how strongly it binds."""

_PRODUCT, _POWER, _ATOM = 2, 3, 4


def formula(loss: Loss) -> str:
    """The loss of one output, without its scale.

    Weights are shown to three significant digits where they differ from 1 by more than 0.5 %.

    Example:
        >>> from automl_loss.expression import parse
        >>> formula(SymbolicLoss(parse("mul(y, log(sub(f, y)))"), (-1.0, 1.0, 0.7, 1.0, 1.0, 1.0)))
        'L(y, f) = -1·(y·0.7·log(f - y))'
    """
    if not isinstance(loss, SymbolicLoss):
        return f"L = {loss.key}"

    def write(index: int, primitive: Primitive, arguments: list[tuple[str, int]]) -> tuple[str, int]:
        text, strength = _operation(primitive.name, arguments)
        weight = loss.weights[index]
        if abs(weight - 1.0) <= 0.005:
            return text, strength
        return f"{weight:.3g}·{_within(text, strength, _POWER)}", _PRODUCT

    text, _ = loss.expression.fold(write)
    return f"L(y, f) = softplus({text})" if loss.activation == "softplus" else f"L(y, f) = {text}"


def _operation(name: str, arguments: list[tuple[str, int]]) -> tuple[str, int]:
    """Text of an unweighted node, and how strongly its outermost operation binds."""
    if not arguments:
        return name, _ATOM
    first, strength = arguments[0]
    if name in _INFIX:
        sign, own = _INFIX[name]
        second, tightness = arguments[1]
        needed = own + 1 if name == "sub" else own
        right = f"({second})" if second.startswith("-") else _within(second, tightness, needed)
        return f"{_within(first, strength, own)}{sign}{right}", own
    if name == "square":
        return _squared(first, strength), _POWER
    if name == "abs":
        return f"|{first}|", _ATOM
    if name == "div":
        return f"{_within(first, strength, _POWER)}/√(1 + {_squared(*arguments[1])})", _PRODUCT
    return f"{name}({', '.join(text for text, _ in arguments)})", _ATOM


def _squared(text: str, strength: int) -> str:
    base = f"({text})" if text.startswith("-") else _within(text, strength, _ATOM)
    return f"{base}²"


def _within(text: str, strength: int, needed: int) -> str:
    return text if strength >= needed else f"({text})"
