"""The expression: an immutable tree over primitives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from automl_loss.errors import ExpressionError
from automl_loss.expression.primitive import Primitive

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Expression:
    """A primitive applied to expressions.

    Nodes are counted in pre-order, the root first; a loss has one weight per node, in that order.

    Args:
        primitive: the word at the root.
        children: its arguments, as many as its arity.

    Raises:
        ExpressionError: the number of children is not the arity.
    """

    primitive: Primitive
    children: tuple[Expression, ...] = ()

    def __post_init__(self) -> None:
        if len(self.children) != self.primitive.arity:
            raise ExpressionError(
                f"{self.primitive.name} takes {self.primitive.arity} arguments but got {len(self.children)}."
            )

    def __str__(self) -> str:
        if not self.children:
            return self.primitive.name
        return f"{self.primitive.name}({', '.join(map(str, self.children))})"

    @cached_property
    def size(self) -> int:
        """Number of nodes."""
        return 1 + sum(child.size for child in self.children)

    @cached_property
    def height(self) -> int:
        """Longest way from the root to a terminal; 0 for a terminal."""
        return 1 + max(child.height for child in self.children) if self.children else 0

    def nodes(self) -> tuple[Expression, ...]:
        """All subtrees in pre-order; the first is the expression itself."""
        found: list[Expression] = []
        waiting = [self]
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting.extend(reversed(node.children))
        return tuple(found)

    def subtree(self, index: int) -> Expression:
        """The subtree at a pre-order index."""
        return self.nodes()[index]

    def replace(self, index: int, new: Expression) -> Expression:
        """The expression with the subtree at a pre-order index replaced."""
        if not 0 <= index < self.size:
            raise IndexError(f"node index must be in 0..{self.size - 1} but got {index}.")
        if index == 0:
            return new
        position = 1
        for place, child in enumerate(self.children):
            if index < position + child.size:
                changed = child.replace(index - position, new)
                return Expression(self.primitive, (*self.children[:place], changed, *self.children[place + 1 :]))
            position += child.size
        raise AssertionError("unreachable: the index was checked")

    def contains(self, name: str) -> bool:
        """Whether a primitive of that name occurs."""
        return any(node.primitive.name == name for node in self.nodes())

    def evaluate(self, inputs: Mapping[str, Tensor], weights: Tensor | None = None) -> Tensor:
        """The value by torch operations, differentiable in inputs and weights.

        Args:
            inputs: tensors of one shape for `y` and `f`.
            weights: `(size,)` tensor; each node's output is multiplied by its weight. `None`: all ones.

        Returns:
            A tensor of the inputs' shape.
        """
        return self._evaluate(inputs, weights, 0)

    def _evaluate(self, inputs: Mapping[str, Tensor], weights: Tensor | None, index: int) -> Tensor:
        arguments = []
        position = index + 1
        for child in self.children:
            arguments.append(child._evaluate(inputs, weights, position))
            position += child.size
        primitive = self.primitive
        if primitive.function is not None:
            value: Tensor = primitive.function(*arguments)
        elif primitive.value is not None:
            like = next(iter(inputs.values()))
            value = like.new_full(like.shape, primitive.value)
        elif primitive.name in inputs:
            value = inputs[primitive.name]
        else:
            raise ExpressionError(f"no value for {primitive.name}; there are {', '.join(inputs)}.")
        return value if weights is None else value * weights[index]
