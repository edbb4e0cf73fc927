"""Define `Primitive`, the function or terminal that expressions are made of, and the abstract `PrimitiveSet`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar


class Opcode(IntEnum):
    """Instructions of the compiled loss kernels. A primitive without one is evaluated by torch."""

    Y = 0
    F = 1
    CONSTANT = 2
    ADD = 3
    SUB = 4
    MUL = 5
    DIV = 6
    MIN = 7
    MAX = 8
    SIGN = 9
    SQUARE = 10
    ABS = 11
    LOG = 12
    SQRT = 13
    TANH = 14
    EXP = 15
    SIGMOID = 16
    POWER = 17
    SOFTPLUS = 18


@dataclass(frozen=True)
class Primitive:
    """An element of the loss language: a function of one or two arguments, or a terminal.

    Two primitives are equal when name and arity are; within a primitive set names are unique.

    Args:
        name: as written in expressions, e.g. `mul`, `f`, `-1`.
        arity: number of arguments; 0 for a terminal.
        function: the function on torch tensors of equal shape, elementwise and shape-keeping, with finite
            values and gradients on finite input. `None` for terminals.
        source: Python text of the function with `{0}`, `{1}` for the arguments, using only `torch`, for
            exported modules, e.g. `"torch.tanh({0})"`. For terminals: `"y"`, `"f"` or a number.
        sympy: the same on SymPy expressions, for LaTeX and export. `None`: shown as an undefined function.
        opcode: instruction of the compiled kernels, or `None` when there is none.
        value: the number a constant terminal stands for; `None` for `y`, `f` and functions.
        commutative: whether argument order is irrelevant.
        sample: takes the `Problem` and a numpy `Generator`, and returns the number that replaces the terminal whenever
            a strategy writes it into a tree (an ephemeral constant). `None`: the terminal stays as it is.
        of_classes: whether it makes sense in classification alone.
    """

    name: str
    arity: int
    function: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    source: str = field(default="", compare=False, repr=False)
    sympy: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    opcode: Opcode | None = field(default=None, compare=False, repr=False)
    value: float | None = field(default=None, compare=False, repr=False)
    commutative: bool = field(default=False, compare=False, repr=False)
    sample: Callable[..., float] | None = field(default=None, compare=False, repr=False)
    of_classes: bool = field(default=False, compare=False, repr=False)


class PrimitiveSet(ABC):
    """Plugin kind `primitive_set`: the primitives that strategies may build losses from.

    Laws: names are unique; terminals include `y` (target) and `f` (prediction); every function keeps shape
    and dtype, and is finite with finite gradient on 0, negative, huge and tiny input.
    """

    plugin_api: ClassVar[int] = 1

    def __init__(self, config: Any = None) -> None:
        self.config = config

    @property
    @abstractmethod
    def functions(self) -> tuple[Primitive, ...]:
        """Return the primitives of arity one or more."""

    @property
    @abstractmethod
    def terminals(self) -> tuple[Primitive, ...]:
        """Return the primitives of arity zero: `y`, `f` and constants."""

    def __getitem__(self, name: str) -> Primitive:
        """Return the primitive of that name; `KeyError` when there is none."""
        for primitive in (*self.functions, *self.terminals):
            if primitive.name == name:
                return primitive
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(primitive.name == name for primitive in (*self.functions, *self.terminals))
