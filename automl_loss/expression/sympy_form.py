"""Convert an expression to SymPy, for further work with it. SymPy is slow, and is imported only when needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from automl_loss.errors import ExpressionError
from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive
from automl_loss.expression.python_source import bare
from automl_loss.expression.vocabulary import is_standard

LARGEST = 1_000
"""Nodes up to which an expression is handed to SymPy."""

HIGHEST = 32
"""Height up to which an expression is handed to SymPy: Python reads 200 nested parentheses, and a node takes 5."""

_EXACT = 2**53


def to_sympy(expression: Expression, weights: Sequence[float] | None = None) -> Any:
    """Return a SymPy expression of the same value, in the real symbols y and f.

    It is not evaluated, as SymPy's simplification takes exponential time on nested functions; `.doit()` evaluates
    it, and `sympy_text` writes it.

    Args:
        expression: of at most `LARGEST` nodes and height `HIGHEST`. A primitive without a SymPy form appears as an
            undefined function of its name.
        weights: one per node in pre-order. `None`: all ones.

    Raises:
        ExpressionError: the expression is too large.

    Example:
        >>> from automl_loss.expression import parse
        >>> str(to_sympy(parse("square(sub(y, f))"), [1.0, 1.0, 1.0, 2.0]))
        '(-2.0*f + y)**2'
    """
    import sympy

    _check(expression)

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

    try:
        with sympy.evaluate(False):
            return expression.fold(form)
    except RecursionError as error:
        raise ExpressionError(
            f"SymPy gives up on this expression of {expression.size:,} nodes and height {expression.height:,}, which "
            f"it compares too deeply."
        ) from error


def sympy_text(
    expression: Expression,
    weights: Sequence[float] | None = None,
    *,
    scale: float = 1.0,
    softplus: bool = False,
) -> str:
    """Return a loss as text that SymPy reads; written node by node, as SymPy's own printers may take minutes.

    Args:
        expression: as in `to_sympy`.
        weights: one per node in pre-order. `None`: all ones.
        scale: constant factor of the whole.
        softplus: whether softplus is applied before the scale.

    Raises:
        ExpressionError: the expression is too large, or a primitive's SymPy form raises.

    Example:
        >>> from automl_loss.expression import parse
        >>> sympy_text(parse("square(sub(y, f))"), [1.0, 1.0, 1.0, 2.0], scale=0.5)
        '0.5*((y - (2.0*f))**2)'
    """
    _check(expression)

    def write(index: int, primitive: Primitive, arguments: list[str]) -> str:
        if primitive.value is not None:
            number = repr(primitive.value).removesuffix(".0")
            text = f"({number})" if primitive.value < 0 else number
        elif primitive.arity == 0:
            text = primitive.name
        else:
            template = _TEMPLATES[primitive.name] if is_standard(primitive) else _own_template(primitive)
            text = _ARGUMENT.sub(lambda match: arguments[int(match[1])], template)
        return text if weights is None or weights[index] == 1.0 else f"({float(weights[index])!r}*{text})"

    text = expression.fold(write)
    text = f"log(1 + exp({text}))" if softplus else text
    text = text if scale == 1.0 else f"({float(scale)!r}*{text})"
    return bare(text)


_ARGUMENT = re.compile(r"<(\d)>")

_TEMPLATES = {
    "add": "(<0> + <1>)",
    "sub": "(<0> - <1>)",
    "mul": "(<0>*<1>)",
    "div": "(<0>/sqrt(1 + (<1>)**2))",
    "min": "Min(<0>, <1>)",
    "max": "Max(<0>, <1>)",
    "sign": "sign(<0>)",
    "square": "(<0>**2)",
    "abs": "Abs(<0>)",
    "log": "log(Abs(<0>) + 1e-7)",
    "sqrt": "sqrt(Abs(<0>) + 1e-7)",
    "tanh": "tanh(<0>)",
    "exp": "exp(Min(<0>, 50))",
    "sigmoid": "(1/(1 + exp(-<0>)))",
    "power": "exp(Min(<1>*log(Abs(<0>) + 1e-7), 50))",
}


def _own_template(primitive: Primitive) -> str:
    """Return the text of a primitive outside of the standard vocabulary, `<0>` and `<1>` for its arguments."""
    places = [f"<{place}>" for place in range(primitive.arity)]
    if primitive.sympy is None:
        return f"{primitive.name}({', '.join(places)})"
    import sympy

    symbols = [sympy.Symbol(f"argument_{place}", real=True) for place in range(primitive.arity)]
    try:
        text: str = sympy.sstr(primitive.sympy(*symbols))
    except Exception as error:
        raise ExpressionError(
            f"primitive {primitive.name!r} cannot be written for SymPy: its SymPy form raised "
            f"{type(error).__name__}: {error}. Mend it, or leave it out: the name is written then."
        ) from error
    return "(" + re.sub(r"argument_([0-9])", r"(<\1>)", text) + ")"


def _check(expression: Expression) -> None:
    if expression.size > LARGEST or expression.height > HIGHEST:
        raise ExpressionError(
            f"this expression has {expression.size:,} nodes and height {expression.height:,}, and SymPy takes up to "
            f"{LARGEST:,} nodes and height {HIGHEST}. Export it as Python instead."
        )


def _number(value: float) -> Any:
    import sympy

    if value == int(value) and abs(value) < _EXACT:
        return sympy.Integer(int(value))
    return sympy.Float(value)
