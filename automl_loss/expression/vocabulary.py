"""The standard vocabulary: primitives that every primitive set may choose from.

Every function keeps shape and dtype, and is finite with a finite gradient on every finite input that float32 holds,
save for overflow of plain arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from automl_loss.errors import ExpressionError
from automl_loss.expression.primitive import Opcode, Primitive

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-7
"""Added to |x| under the logarithm and the root."""

EXPONENT_LIMIT = 80.0
"""exp is taken of min(x, 80): above, float32 overflows at 88.7."""


def _torch(name: str) -> Callable[..., Any]:
    def call(*arguments: Tensor) -> Any:
        import torch

        return getattr(torch, name)(*arguments)

    return call


def _sympy(name: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        import sympy

        return getattr(sympy, name)(*arguments)

    return call


def _div(a: Tensor, b: Tensor) -> Tensor:
    return a / (1 + b * b).sqrt()


def _log(x: Tensor) -> Tensor:
    return (x.abs() + EPSILON).log()


def _sqrt(x: Tensor) -> Tensor:
    return (x.abs() + EPSILON).sqrt()


def _exp(x: Tensor) -> Tensor:
    return x.clamp(max=EXPONENT_LIMIT).exp()


def _power(a: Tensor, b: Tensor) -> Tensor:
    """(|a| + 1e-7)^b, the exponent of e held to at most 80."""
    return _exp(b * _log(a))


def _sympy_div(a: Any, b: Any) -> Any:
    import sympy

    return a / sympy.sqrt(1 + b**2)


def _sympy_log(x: Any) -> Any:
    import sympy

    return sympy.log(sympy.Abs(x) + EPSILON)


def _sympy_sqrt(x: Any) -> Any:
    import sympy

    return sympy.sqrt(sympy.Abs(x) + EPSILON)


def _sympy_sigmoid(x: Any) -> Any:
    import sympy

    return 1 / (1 + sympy.exp(-x))


_FUNCTIONS = (
    Primitive("add", 2, _torch("add"), "({0} + {1})", lambda a, b: a + b, Opcode.ADD, commutative=True),
    Primitive("sub", 2, _torch("sub"), "({0} - {1})", lambda a, b: a - b, Opcode.SUB),
    Primitive("mul", 2, _torch("mul"), "({0} * {1})", lambda a, b: a * b, Opcode.MUL, commutative=True),
    Primitive("div", 2, _div, "({0} / torch.sqrt(1 + torch.square({1})))", _sympy_div, Opcode.DIV),
    Primitive("min", 2, _torch("minimum"), "torch.minimum({0}, {1})", _sympy("Min"), Opcode.MIN, commutative=True),
    Primitive("max", 2, _torch("maximum"), "torch.maximum({0}, {1})", _sympy("Max"), Opcode.MAX, commutative=True),
    Primitive("sign", 1, _torch("sign"), "torch.sign({0})", _sympy("sign"), Opcode.SIGN),
    Primitive("square", 1, _torch("square"), "torch.square({0})", lambda x: x**2, Opcode.SQUARE),
    Primitive("abs", 1, _torch("abs"), "torch.abs({0})", _sympy("Abs"), Opcode.ABS),
    Primitive("log", 1, _log, "torch.log(torch.abs({0}) + 1e-7)", _sympy_log, Opcode.LOG),
    Primitive("sqrt", 1, _sqrt, "torch.sqrt(torch.abs({0}) + 1e-7)", _sympy_sqrt, Opcode.SQRT),
    Primitive("tanh", 1, _torch("tanh"), "torch.tanh({0})", _sympy("tanh"), Opcode.TANH),
    Primitive("exp", 1, _exp, "torch.exp(torch.clamp({0}, max=80.0))", _sympy("exp"), Opcode.EXP),
    Primitive("sigmoid", 1, _torch("sigmoid"), "torch.sigmoid({0})", _sympy_sigmoid, Opcode.SIGMOID),
    Primitive(
        "power", 2, _power, "torch.exp(torch.clamp({1} * torch.log(torch.abs({0}) + 1e-7), max=80.0))",
        lambda a, b: abs(a) ** b, Opcode.POWER,
    ),
)  # fmt: skip

_TERMINALS = (
    Primitive("y", 0, source="y", opcode=Opcode.Y),
    Primitive("f", 0, source="f", opcode=Opcode.F),
    Primitive("1", 0, source="1.0", opcode=Opcode.CONSTANT, value=1.0),
    Primitive("-1", 0, source="-1.0", opcode=Opcode.CONSTANT, value=-1.0),
)

_BY_NAME = {primitive.name: primitive for primitive in (*_FUNCTIONS, *_TERMINALS)}


@cache
def constant(value: float) -> Primitive:
    """A terminal that stands for a number; its name is the number's shortest exact text.

    Raises:
        ExpressionError: the number is not finite.
    """
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        raise ExpressionError(f"a constant must be finite but got {number}.")
    name = str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)
    return _BY_NAME.get(name) or Primitive(name, 0, source=repr(number), opcode=Opcode.CONSTANT, value=number)


def standard_primitives(*names: str) -> tuple[Primitive, ...]:
    """Primitives of the standard vocabulary by name, in that order; all of them when no name is given.

    Raises:
        ExpressionError: there is no such primitive.

    Example:
        >>> [primitive.arity for primitive in standard_primitives("add", "log", "y")]
        [2, 1, 0]
    """
    missing = [name for name in names if name not in _BY_NAME]
    if missing:
        raise ExpressionError(f"no standard primitive {missing[0]!r}; there are {', '.join(_BY_NAME)}.")
    return tuple(_BY_NAME[name] for name in names or _BY_NAME)
