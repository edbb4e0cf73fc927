"""Convert an expression to SymPy and LaTeX, for people to read. SymPy is slow, and is imported only when needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive
from automl_loss.expression.vocabulary import EPSILON

_DIGITS = 4


def to_sympy(expression: Expression, weights: Sequence[float] | None = None) -> Any:
    """Return a SymPy expression of the same value, in the real symbols y and f.

    Args:
        expression: a primitive without a SymPy form appears as an undefined function of its name.
        weights: one per node in pre-order. `None`: all ones.

    Example:
        >>> from automl_loss.expression import parse
        >>> str(to_sympy(parse("square(sub(y, f))"), [1.0, 1.0, 1.0, 2.0]))
        '(-2.0*f + y)**2'
    """
    import sympy

    def form(index: int, primitive: Primitive, arguments: list[Any]) -> Any:
        if primitive.value is not None:
            result = _number(primitive.value)
        elif primitive.arity == 0:
            result = sympy.Symbol(primitive.name, real=True)
        elif primitive.sympy is not None:
            result = primitive.sympy(*arguments)
        else:
            result = sympy.Function(primitive.name)(*arguments)
        return result if weights is None or weights[index] == 1.0 else sympy.Float(weights[index]) * result

    return expression.fold(form)


def to_latex(expression: Expression, weights: Sequence[float] | None = None) -> str:
    r"""Return LaTeX of the expression, its numbers rounded to four significant digits.

    The 1e-7 under logarithms and roots is written `\varepsilon`. Arguments as in `to_sympy`.
    """
    import sympy

    form = to_sympy(expression, weights).xreplace({sympy.Float(EPSILON): sympy.Symbol(r"\varepsilon")})
    text: str = sympy.latex(form.xreplace({number: _short(number) for number in form.atoms(sympy.Float)}))
    return text


def _number(value: float) -> Any:
    import sympy

    return sympy.Integer(int(value)) if value == int(value) else sympy.Float(value)


def _short(number: Any) -> Any:
    import sympy

    rounded = float(f"{float(number):.{_DIGITS}g}")
    if rounded == int(rounded) and abs(rounded) < 10**_DIGITS:
        return sympy.Integer(int(rounded))
    return sympy.Float(f"{rounded:.{_DIGITS}g}")
