"""The standard vocabulary: primitives that every primitive set can choose from, and that saved losses are read with.

Each function keeps shape and dtype and is finite, with a finite gradient, on finite input, as long as plain
arithmetic does not overflow. At kinks the gradient is torch's: sign(0) = 0 for `abs`, `log`, `sqrt`; half
each at ties of `min` and `max`; 0 for `sign`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from automl_loss.errors import ExpressionError
from automl_loss.expression.primitive import Opcode, Primitive

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-7
"""Added to |x| under logarithm and root."""

EXPONENT_LIMIT = 50.0
"""Largest exponent of e. float32 ends at 88; up to 50 the second derivatives of `power` still fit."""


def _add(a: Any, b: Any) -> Any:
    return a + b


def _sub(a: Any, b: Any) -> Any:
    return a - b


def _mul(a: Any, b: Any) -> Any:
    return a * b


def _div(a: Tensor, b: Tensor) -> Tensor:
    return a / (1 + b.square()).sqrt()


def _min(a: Tensor, b: Tensor) -> Tensor:
    return a.minimum(b)


def _max(a: Tensor, b: Tensor) -> Tensor:
    return a.maximum(b)


def _sign(x: Tensor) -> Tensor:
    return x.sign()


def _square(x: Tensor) -> Tensor:
    return x.square()


def _abs(x: Any) -> Any:
    return abs(x)


def _log(x: Tensor) -> Tensor:
    return (x.abs() + EPSILON).log()


def _sqrt(x: Tensor) -> Tensor:
    return (x.abs() + EPSILON).sqrt()


def _tanh(x: Tensor) -> Tensor:
    return x.tanh()


def _exp(x: Tensor) -> Tensor:
    return x.clamp(max=EXPONENT_LIMIT).exp()


def _sigmoid(x: Tensor) -> Tensor:
    return x.sigmoid()


def _power(a: Tensor, b: Tensor) -> Tensor:
    return _exp(b * _log(a))


def _sympy_div(a: Any, b: Any) -> Any:
    import sympy

    return a / sympy.sqrt(1 + b**2)


def _sympy_min(a: Any, b: Any) -> Any:
    import sympy

    # Unevaluated: SymPy's search for the smaller one takes seconds on expressions of some size.
    return sympy.Min(a, b, evaluate=False)


def _sympy_max(a: Any, b: Any) -> Any:
    import sympy

    return sympy.Max(a, b, evaluate=False)


def _sympy_sign(x: Any) -> Any:
    import sympy

    return sympy.sign(x)


def _sympy_square(x: Any) -> Any:
    return x**2


def _sympy_log(x: Any) -> Any:
    import sympy

    return sympy.log(sympy.Abs(x) + sympy.Float(EPSILON))


def _sympy_sqrt(x: Any) -> Any:
    import sympy

    return sympy.sqrt(sympy.Abs(x) + sympy.Float(EPSILON))


def _sympy_tanh(x: Any) -> Any:
    import sympy

    return sympy.tanh(x)


def _sympy_exp(x: Any) -> Any:
    import sympy

    return sympy.exp(_sympy_min(x, sympy.Integer(int(EXPONENT_LIMIT))))


def _sympy_sigmoid(x: Any) -> Any:
    import sympy

    return 1 / (1 + sympy.exp(-x))


def _sympy_power(a: Any, b: Any) -> Any:
    return _sympy_exp(b * _sympy_log(a))


ADD = Primitive("add", 2, _add, "({0} + {1})", _add, Opcode.ADD, commutative=True)
SUB = Primitive("sub", 2, _sub, "({0} - {1})", _sub, Opcode.SUB)
MUL = Primitive("mul", 2, _mul, "({0} * {1})", _mul, Opcode.MUL, commutative=True)
DIV = Primitive("div", 2, _div, "({0} / torch.sqrt(1 + torch.square({1})))", _sympy_div, Opcode.DIV)
"""a / sqrt(1 + b^2)."""
MIN = Primitive("min", 2, _min, "torch.minimum({0}, {1})", _sympy_min, Opcode.MIN, commutative=True)
MAX = Primitive("max", 2, _max, "torch.maximum({0}, {1})", _sympy_max, Opcode.MAX, commutative=True)
SIGN = Primitive("sign", 1, _sign, "torch.sign({0})", _sympy_sign, Opcode.SIGN)
SQUARE = Primitive("square", 1, _square, "torch.square({0})", _sympy_square, Opcode.SQUARE)
ABS = Primitive("abs", 1, _abs, "torch.abs({0})", _abs, Opcode.ABS)
LOG = Primitive("log", 1, _log, "torch.log(torch.abs({0}) + 1e-7)", _sympy_log, Opcode.LOG)
"""log(|x| + 1e-7)."""
SQRT = Primitive("sqrt", 1, _sqrt, "torch.sqrt(torch.abs({0}) + 1e-7)", _sympy_sqrt, Opcode.SQRT)
"""sqrt(|x| + 1e-7)."""
TANH = Primitive("tanh", 1, _tanh, "torch.tanh({0})", _sympy_tanh, Opcode.TANH)
EXP = Primitive("exp", 1, _exp, "torch.exp(torch.clamp({0}, max=50.0))", _sympy_exp, Opcode.EXP)
"""exp(min(x, 50))."""
SIGMOID = Primitive("sigmoid", 1, _sigmoid, "torch.sigmoid({0})", _sympy_sigmoid, Opcode.SIGMOID)
POWER = Primitive(
    "power",
    2,
    _power,
    "torch.exp(torch.clamp({1} * torch.log(torch.abs({0}) + 1e-7), max=50.0))",
    _sympy_power,
    Opcode.POWER,
)
"""exp(min(b log(|a| + 1e-7), 50)): |a| to the power of b, at most 5e21."""

Y = Primitive("y", 0, source="y", opcode=Opcode.Y)
"""The target."""
F = Primitive("f", 0, source="f", opcode=Opcode.F)
"""The prediction."""
PRIOR = Primitive("prior", 0, source="prior", of_classes=True)
"""The share of the class among the training rows; of a binary problem, of class 1."""
ONE = Primitive("1", 0, source="1.0", opcode=Opcode.CONSTANT, value=1.0)
MINUS_ONE = Primitive("-1", 0, source="-1.0", opcode=Opcode.CONSTANT, value=-1.0)

STANDARD_FUNCTIONS = (ADD, SUB, MUL, DIV, MIN, MAX, SIGN, SQUARE, ABS, LOG, SQRT, TANH, EXP, SIGMOID, POWER)
STANDARD_TERMINALS = (Y, F, ONE, MINUS_ONE, PRIOR)

_BY_NAME = {primitive.name: primitive for primitive in (*STANDARD_FUNCTIONS, *STANDARD_TERMINALS)}


@lru_cache(maxsize=4096)
def constant(value: float) -> Primitive:
    """Return the terminal that stands for a number, named by the shortest text that reads back as the same number.

    Raises:
        ExpressionError: the number is not finite.

    Example:
        >>> constant(0.5).name, constant(1.0) is ONE
        ('0.5', True)
    """
    number = float(value) + 0.0  # -0.0 becomes 0.0
    if not math.isfinite(number):
        raise ExpressionError(f"a constant must be a finite number but got {number}.")
    name = repr(number).removesuffix(".0")
    return _BY_NAME.get(name) or Primitive(name, 0, source=repr(number), opcode=Opcode.CONSTANT, value=number)


def is_standard(primitive: Primitive) -> bool:
    """Return whether a primitive is the standard one, and not a primitive set's own of the same name."""
    known = _BY_NAME.get(primitive.name)
    return known is not None and known.function is primitive.function and known.value == primitive.value


def standard_primitives(*names: str) -> tuple[Primitive, ...]:
    """Return primitives of the standard vocabulary by name, in that order; all of them when no name is given.

    Raises:
        ExpressionError: there is no primitive of that name.

    Example:
        >>> [primitive.arity for primitive in standard_primitives("add", "log", "y")]
        [2, 1, 0]
    """
    for name in names:
        if name not in _BY_NAME:
            raise ExpressionError(f"no standard primitive {name!r}; there are {', '.join(_BY_NAME)}.")
    return tuple(_BY_NAME[name] for name in names or _BY_NAME)
