"""The expression: an immutable tree over primitives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from automl_loss.errors import ExpressionError
from automl_loss.expression.primitive import Primitive

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True, eq=False, repr=False)
class Expression:
    """A primitive applied to expressions.

    Nodes are numbered in pre-order, the root first; the weights of a loss follow that order. Two expressions
    are equal when they are written alike. Nothing here recurses, so trees may be of any height.

    Args:
        primitive: the primitive at the root.
        children: its arguments, as many as its arity.

    Raises:
        ExpressionError: the number of children is not the arity.

    Example:
        >>> from automl_loss.expression import parse
        >>> loss = parse("square(sub(y, f))")
        >>> loss.size, loss.height, str(loss.subtree(1))
        (4, 2, 'sub(y, f)')
    """

    primitive: Primitive
    children: tuple[Expression, ...] = ()
    size: int = field(init=False)
    """Number of nodes."""
    height: int = field(init=False)
    """Longest way from the root to a terminal; 0 for a terminal."""
    _text: str | None = field(init=False)
    """The expression as text, once it was asked for: a tree that holds the text of every node grows as its square."""

    def __post_init__(self) -> None:
        name, arity, children = self.primitive.name, self.primitive.arity, self.children
        if len(children) != arity:
            raise ExpressionError(f"{name} takes {_arguments(arity)} but got {len(children)}.")
        object.__setattr__(self, "size", 1 + sum([child.size for child in children]))
        object.__setattr__(self, "height", 1 + max([child.height for child in children]) if children else 0)
        object.__setattr__(self, "_text", None if children else name)

    def __str__(self) -> str:
        text = self._text
        if text is None:
            text = self._written()
            object.__setattr__(self, "_text", text)
        return text

    def __repr__(self) -> str:
        return f"<Expression {self}>"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[Callable[..., Expression], tuple[tuple[Primitive, ...]]]:
        return _from_preorder, (tuple(node.primitive for node in self.nodes()),)

    def _written(self) -> str:
        pieces: list[str] = []
        waiting: list[Expression | str] = [self]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                pieces.append(item)
            elif item._text is not None:
                pieces.append(item._text)
            else:
                pieces.append(f"{item.primitive.name}(")
                waiting.append(")")
                for child in reversed(item.children[1:]):
                    waiting += (child, ", ")
                waiting.append(item.children[0])
        return "".join(pieces)

    def nodes(self) -> tuple[Expression, ...]:
        """Return all subtrees in pre-order; the first is the expression itself."""
        found: list[Expression] = []
        waiting = [self]
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting.extend(reversed(node.children))
        return tuple(found)

    def subtree(self, index: int) -> Expression:
        """Return the subtree at a pre-order index; `IndexError` when there is none."""
        return self._path(index)[-1][0]

    def replace(self, index: int, new: Expression) -> Expression:
        """Return the expression with the subtree at a pre-order index replaced; `IndexError` when there is none."""
        *ancestors, _ = self._path(index)
        for node, place in reversed(ancestors):
            new = Expression(node.primitive, (*node.children[:place], new, *node.children[place + 1 :]))
        return new

    def contains(self, name: str) -> bool:
        """Return whether a primitive of that name occurs."""
        return any(node.primitive.name == name for node in self.nodes())

    def fold(self, combine: Callable[[int, Primitive, list[T]], T]) -> T:
        """Compute a value of the whole tree from the leaves up.

        Args:
            combine: takes a node's pre-order index, its primitive and the results of its children.

        Returns:
            The result of the root.
        """
        nodes = self.nodes()
        # Going from the last node to the first, a node finds its children's results on top of the stack.
        results: list[T] = []
        for index in range(len(nodes) - 1, -1, -1):
            primitive = nodes[index].primitive
            arguments = [results.pop() for _ in range(primitive.arity)]
            results.append(combine(index, primitive, arguments))
        return results[0]

    def evaluate(self, inputs: Mapping[str, Tensor], weights: Tensor | None = None) -> Tensor:
        """Evaluate by torch operations, differentiable in inputs and weights.

        Args:
            inputs: tensors of one shape, by terminal: `{"y": ..., "f": ...}`.
            weights: `(size,)` tensor; the output of each node is multiplied by its weight. `None`: all ones.

        Returns:
            A tensor of the inputs' shape.

        Raises:
            ExpressionError: a terminal has no input, or the number of weights is not the size.
        """
        if weights is not None and weights.shape != (self.size,):
            raise ExpressionError(
                f"`weights` must be ({self.size},), one a node, but is {tuple(weights.shape)}."
            )
        factors = None if weights is None else weights.unbind()
        like = next(iter(inputs.values()))

        def value(index: int, primitive: Primitive, arguments: list[Tensor]) -> Tensor:
            if primitive.function is not None:
                result: Tensor = primitive.function(*arguments)
            elif primitive.value is not None:
                result = like.new_full(like.shape, _within(like.dtype, primitive.value))
            elif primitive.name in inputs:
                result = inputs[primitive.name]
            else:
                raise ExpressionError(
                    f"no input for terminal {primitive.name!r}; there are {', '.join(inputs)}."
                )
            return result if factors is None else result * factors[index]

        return self.fold(value)

    def _path(self, index: int) -> list[tuple[Expression, int]]:
        """List the nodes from the root to the one at `index`, each with the position of the child that comes next."""
        if not 0 <= index < self.size:
            raise IndexError(f"the index of a node must be in 0..{self.size - 1} but got {index}.")
        path, node, rest = [], self, index
        while rest > 0:
            rest -= 1
            place = 0
            while rest >= node.children[place].size:
                rest -= node.children[place].size
                place += 1
            path.append((node, place))
            node = node.children[place]
        return [*path, (node, 0)]


def _within(dtype: torch.dtype, value: float) -> float:
    """Return the number, or infinity of its sign where it is beyond the dtype's range; torch raises there."""
    import torch

    return value if abs(value) <= torch.finfo(dtype).max else math.copysign(math.inf, value)


def _arguments(count: int) -> str:
    return "1 argument" if count == 1 else f"{count or 'no'} arguments"


def _from_preorder(primitives: Sequence[Primitive]) -> Expression:
    built: list[Expression] = []
    for primitive in reversed(primitives):
        children = tuple(built.pop() for _ in range(primitive.arity))
        built.append(Expression(primitive, children))
    return built[0]
