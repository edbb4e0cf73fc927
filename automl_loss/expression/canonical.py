"""Canonical form: expressions that are the same function get the same key.

The key decides identity only; what is evaluated stays as proposed. All rules hold at unit weights. Where weights may be
tuned, rules that merge two subtrees with weights of their own are left out: with weights, sub(f, f) is not zero.
"""

from __future__ import annotations

import math
from functools import lru_cache

from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive
from automl_loss.expression.vocabulary import EPSILON, EXPONENT_LIMIT, constant, standard_primitives

_STANDARD = {primitive.name: primitive for primitive in standard_primitives()}
_EVEN = ("square", "abs", "log", "sqrt")
"""Functions of |x| alone."""


def canonical_key(expression: Expression, weighted: bool) -> str:
    """Text of the canonical form."""
    return str(canonical(expression, weighted))


@lru_cache(maxsize=65536)
def canonical(expression: Expression, weighted: bool) -> Expression:
    """An expression of equal value at unit weights, in normal form.

    Args:
        expression: over any primitives; rules are known for the standard vocabulary.
        weighted: whether the weights may be tuned; rules that merge separately weighted subtrees then do not apply.
    """
    children = tuple(canonical(child, weighted) for child in expression.children)
    return _simplify(expression.primitive, children, weighted)


def _simplify(primitive: Primitive, children: tuple[Expression, ...], weighted: bool) -> Expression:
    if not children or _STANDARD.get(primitive.name) != primitive:
        return Expression(primitive, children)
    folded = _fold(primitive.name, children)
    if folded is not None:
        return folded
    shorter = _unary(primitive.name, children[0]) if len(children) == 1 else _binary(primitive.name, *children, weighted)
    if shorter is not None:
        return shorter
    if primitive.commutative:
        children = tuple(sorted(children, key=_order))
    return Expression(primitive, children)


def _order(expression: Expression) -> tuple[int, str]:
    return (expression.size, str(expression))


def _number(expression: Expression) -> float | None:
    return expression.primitive.value


def _constant(value: float) -> Expression:
    return Expression(constant(value + 0.0))


def _is(expression: Expression, name: str) -> bool:
    return expression.primitive.name == name and bool(expression.children)


def _fold(name: str, children: tuple[Expression, ...]) -> Expression | None:
    """A function of constants is a constant."""
    values = [_number(child) for child in children]
    if any(value is None for value in values):
        return None
    try:
        result = _NUMERIC[name](*values)
    except (OverflowError, ZeroDivisionError, ValueError):
        return None
    return _constant(result) if math.isfinite(result) else None


def _log(x: float) -> float:
    return math.log(abs(x) + EPSILON)


_NUMERIC = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / math.sqrt(1 + b * b),
    "min": min,
    "max": max,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "square": lambda x: x * x,
    "abs": abs,
    "log": _log,
    "sqrt": lambda x: math.sqrt(abs(x) + EPSILON),
    "tanh": math.tanh,
    "exp": lambda x: math.exp(min(x, EXPONENT_LIMIT)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "power": lambda a, b: math.exp(min(b * _log(a), EXPONENT_LIMIT)),
}


def _negated(expression: Expression) -> Expression | None:
    """x of -x, in its canonical form mul(-1, x)."""
    if _is(expression, "mul"):
        first, second = expression.children
        if _number(first) == -1:
            return second
        if _number(second) == -1:
            return first
    return None


def _negate(expression: Expression) -> Expression:
    inner = _negated(expression)
    if inner is not None:
        return inner
    number = _number(expression)
    if number is not None:
        return _constant(-number)
    pair = sorted((_constant(-1.0), expression), key=_order)
    return Expression(_STANDARD["mul"], tuple(pair))


def _unary(name: str, x: Expression) -> Expression | None:
    if name in _EVEN:
        inner = _negated(x)
        if inner is not None:
            return _unary(name, inner) or Expression(_STANDARD[name], (inner,))
        if _is(x, "sub"):
            # The sign of a difference does not matter: |a - b| = |b - a|.
            pair = tuple(sorted(x.children, key=_order))
            if pair != x.children:
                return Expression(_STANDARD[name], (Expression(x.primitive, pair),))
    if name in _EVEN and _is(x, "abs"):
        return Expression(_STANDARD[name], x.children)
    if name == "abs" and (_is(x, "square") or _is(x, "sqrt") or _is(x, "sigmoid") or _is(x, "exp")):
        return x
    if name == "sign" and _is(x, "sign"):
        return x
    return None


def _binary(name: str, a: Expression, b: Expression, weighted: bool) -> Expression | None:
    left, right = _number(a), _number(b)
    if name == "add":
        return _sum(a, b, left, right)
    if name == "sub":
        return _difference(a, b, left, right, weighted)
    if name == "mul":
        return _product(a, b, left, right)
    if name == "div" and right == 0:
        return a
    if name == "div" and left == 0:
        return a
    if name == "div":
        return _quotient(a, b)
    if name in ("min", "max") and a == b and not weighted:
        return a
    return None


def _sum(a: Expression, b: Expression, left: float | None, right: float | None) -> Expression | None:
    if left == 0:
        return b
    if right == 0:
        return a
    for one, other in ((a, b), (b, a)):
        inner = _negated(other)
        if inner is not None:
            return _canonical_difference(one, inner)
    return None


def _canonical_difference(a: Expression, b: Expression) -> Expression:
    return Expression(_STANDARD["sub"], (a, b))


def _difference(
    a: Expression, b: Expression, left: float | None, right: float | None, weighted: bool
) -> Expression | None:
    if right == 0:
        return a
    if left == 0:
        return _negate(b)
    if a == b and not weighted:
        return _constant(0.0)
    inner = _negated(b)
    if inner is not None:
        return _simplify(_STANDARD["add"], (a, inner), weighted)
    return None


def _product(a: Expression, b: Expression, left: float | None, right: float | None) -> Expression | None:
    if left == 0 or right == 0:
        return _constant(0.0)
    if left == 1:
        return b
    if right == 1:
        return a
    for number, other in ((left, b), (right, a)):
        if number == -1:
            inner = _negated(other)
            if inner is not None:
                return inner
            if _is(other, "sub"):
                return Expression(other.primitive, (other.children[1], other.children[0]))
    # A sign inside a factor moves to the front of the product.
    for one, other in ((a, b), (b, a)):
        inner = _negated(one)
        if inner is not None and _number(other) is None:
            pair = tuple(sorted((inner, other), key=_order))
            return _negate(Expression(_STANDARD["mul"], pair))
    return None


def _quotient(a: Expression, b: Expression) -> Expression | None:
    """The divisor sqrt(1 + b^2) is even in b."""
    inner = _negated(b)
    if inner is None and _is(b, "abs"):
        inner = b.children[0]
    return None if inner is None else Expression(_STANDARD["div"], (a, inner))
