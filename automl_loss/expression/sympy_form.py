"""From expression to SymPy and LaTeX. SymPy takes long to import, and is for people to read, not for the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automl_loss.expression.expression import Expression
from automl_loss.expression.vocabulary import EPSILON

_DIGITS = 4


def to_sympy(expression: Expression, weights: Sequence[float] | None = None) -> Any:
    """A SymPy expression in the symbols y and f.

    Args:
        expression: a primitive without a SymPy form appears as a function of its name.
        weights: one per node in pre-order; `None`: all ones.
    """
    import sympy

    values = [1.0] * expression.size if weights is None else list(weights)
    return _convert(expression, [sympy.Integer(1) if w == 1 else sympy.Float(w) for w in values], 0)


def to_latex(expression: Expression, weights: Sequence[float] | None = None) -> str:
    """LaTeX with weights to four significant digits, and the 1e-7 under logarithms and roots left out."""
    import sympy

    rounded = None if weights is None else [float(f"{weight:.{_DIGITS}g}") for weight in weights]
    form = to_sympy(expression, rounded).subs(sympy.Float(EPSILON), 0)
    form = form.xreplace({n: sympy.Float(f"{float(n):.{_DIGITS}g}", _DIGITS) for n in form.atoms(sympy.Float)})
    text: str = sympy.latex(form)
    return text


def _convert(expression: Expression, weights: Sequence[Any], index: int) -> Any:
    import sympy

    arguments = []
    position = index + 1
    for child in expression.children:
        arguments.append(_convert(child, weights, position))
        position += child.size
    primitive = expression.primitive
    if primitive.value is not None:
        value = primitive.value
        form = sympy.Integer(int(value)) if value == int(value) else sympy.Float(value)
    elif not arguments:
        form = sympy.Symbol(primitive.name, real=True)
    elif primitive.sympy is not None:
        form = primitive.sympy(*arguments)
    else:
        form = sympy.Function(primitive.name)(*arguments)
    return weights[index] * form
