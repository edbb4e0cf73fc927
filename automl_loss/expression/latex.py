r"""Write an expression as LaTeX, `\varepsilon` for the 1e-7 under logarithms and roots."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from automl_loss.errors import ExpressionError
from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive
from automl_loss.expression.vocabulary import EXPONENT_LIMIT, is_standard
from automl_loss.expression.written import Notation, written

LARGEST = 1_000
"""Nodes up to which an expression is written as LaTeX: no page is wide enough for more."""

HIGHEST = 100
"""Height up to which an expression is written as LaTeX: TeX itself gives up at 255 open groups."""


def has_latex(expression: Expression) -> bool:
    """Return whether an expression is within the size and the height that LaTeX is written for."""
    return expression.size <= LARGEST and expression.height <= HIGHEST


def to_latex(expression: Expression, weights: Sequence[float] | None = None, digits: int = 4) -> str:
    r"""Return LaTeX of the expression.

    Args:
        expression: of at most `LARGEST` nodes and height `HIGHEST`. A primitive outside of the standard vocabulary
            appears as its SymPy form, or, where it has none or a broken one, as a function of its name.
        weights: one per node in pre-order. `None`: all ones.
        digits: number of significant digits; a factor that rounds to 1 is left out.

    Raises:
        ExpressionError: the expression is too large.

    Example:
        >>> from automl_loss.expression import parse
        >>> print(to_latex(parse("mul(y, log(f))"), [-0.5, 1.0, 1.0, 1.0]))
        -0.5 y \log\left(\left|f\right| + \varepsilon\right)
    """
    if not has_latex(expression):
        raise ExpressionError(
            f"this expression has {expression.size:,} nodes and height {expression.height:,}, and LaTeX is written up "
            f"to {LARGEST:,} nodes and height {HIGHEST}."
        )
    return written(expression, weights, _Latex(digits))


class _Latex(Notation):
    def number(self, size: float) -> str:
        mantissa, _, exponent = f"{size:.{self.digits}g}".partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa

    def product(self, first: str, second: str) -> str:
        return f"{first} {second}"

    def group(self, text: str) -> str:
        return rf"\left({text}\right)"

    def square(self, text: str) -> str:
        bars = text.startswith(r"\left|") and text.endswith(r"\right|") and text.count(r"\left|") == 1
        return f"{text}^{{2}}" if text in ("y", "f") or bars else f"{self.group(text)}^{{2}}"

    def absolute(self, text: str) -> str:
        return rf"\left|{text}\right|"

    def quotient(self, top: str, below: str) -> str:
        return rf"\frac{{{top or 1}}}{{\sqrt{{1 + {self.square(below)}}}}}"

    def function(self, primitive: Primitive, arguments: Sequence[str]) -> str:
        name = primitive.name
        if not arguments:
            return name if name in ("y", "f") else rf"\mathrm{{{_escaped(name)}}}"
        if is_standard(primitive):
            first, last = arguments[0], arguments[-1]
            if name in _NAMED:
                return rf"{_NAMED[name]}\left({', '.join(arguments)}\right)"
            if name in ("log", "sqrt"):
                return self._protected(name, first)
            if name == "exp":
                return self._exponential(first)
            if name == "power":
                return self._exponential(f"{self.group(last)} {self._protected('log', first)}")
        own = None if is_standard(primitive) else _own_form(primitive.sympy, primitive.arity)
        if own is not None:
            return _ARGUMENT.sub(lambda match: self.group(arguments[int(match[1])]), own)
        return rf"\operatorname{{{_escaped(name)}}}\left({', '.join(arguments)}\right)"

    def _protected(self, name: str, text: str) -> str:
        inside = rf"{self.absolute(text)} + \varepsilon"
        return rf"\log\left({inside}\right)" if name == "log" else rf"\sqrt{{{inside}}}"

    def _exponential(self, text: str) -> str:
        return rf"e^{{\min\left({text}, {EXPONENT_LIMIT:g}\right)}}"


_NAMED = {"min": r"\min", "max": r"\max", "tanh": r"\tanh", "sign": r"\operatorname{sign}"}


_ARGUMENT = re.compile(r"<(\d)>")


@lru_cache(maxsize=256)
def _own_form(form: Callable[..., Any] | None, arity: int) -> str | None:
    """Return LaTeX of a primitive's SymPy form, `<0>` and `<1>` for its arguments, in parentheses where it is a sum.

    `None` where there is no form, or it fails: a name is LaTeX enough for `result.json`, and what is wrong with the
    form is said by `sympy_text`.
    """
    if form is None:
        return None
    import sympy

    symbols = [sympy.Symbol(f"argument_{place}", real=True) for place in range(arity)]
    names = {symbol: f"<{place}>" for place, symbol in enumerate(symbols)}
    try:
        result = sympy.sympify(form(*symbols))
        text: str = sympy.latex(result, symbol_names=names)
    except Exception:
        return None
    return rf"\left({text}\right)" if isinstance(result, sympy.Add) or text.startswith("-") else text


def _escaped(name: str) -> str:
    """Return a name for an upright word of LaTeX: what is no letter or digit becomes a dash."""
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in name)
