"""Random losses for the kernel tests: trees of opcodes, evaluated by torch without the package's own expressions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automl_loss.expression.primitive import Opcode
from automl_loss.expression.program import Program
from automl_loss.losses.base import Loss

UNARY = {
    Opcode.SIGN: torch.sign,
    Opcode.SQUARE: torch.square,
    Opcode.ABS: torch.abs,
    Opcode.LOG: lambda x: torch.log(torch.abs(x) + 1e-7),
    Opcode.SQRT: lambda x: torch.sqrt(torch.abs(x) + 1e-7),
    Opcode.TANH: torch.tanh,
    Opcode.EXP: torch.exp,
    Opcode.SIGMOID: torch.sigmoid,
    Opcode.SOFTPLUS: torch.nn.functional.softplus,
}
BINARY = {
    Opcode.ADD: torch.add,
    Opcode.SUB: torch.sub,
    Opcode.MUL: torch.mul,
    Opcode.DIV: lambda a, b: a / torch.sqrt(1 + torch.square(b)),
    Opcode.MIN: torch.minimum,
    Opcode.MAX: torch.maximum,
    Opcode.POWER: lambda a, b: torch.exp(b * torch.log(torch.abs(a) + 1e-7)),
}

Tree = tuple[Any, ...]  # (opcode, *arguments) or (Opcode.CONSTANT, number)


@dataclass(frozen=True)
class TreeLoss(Loss):
    """A tree, a weight on every node in pre-order, and a softplus on top if asked."""

    tree: Tree
    weights: tuple[float, ...]
    softplus: bool = False
    has_program: bool = True
    scale: float = 1.0
    space: Any = "prediction"

    def value(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        phi = iter(torch.tensor(self.weights, dtype=prediction.dtype) if weights is None else weights)

        def evaluate(node: Tree) -> Tensor:
            weight = next(phi)
            if node[0] == Opcode.Y:
                return weight * target
            if node[0] == Opcode.F:
                return weight * prediction
            if node[0] == Opcode.CONSTANT:
                return weight * torch.full_like(target, node[1])
            arguments = [evaluate(argument) for argument in node[1:]]
            return weight * {**UNARY, **BINARY}[node[0]](*arguments)

        result = evaluate(self.tree)
        return torch.nn.functional.softplus(result) if self.softplus else result

    @property
    def program(self) -> Program | None:
        return compile_tree(self.tree, self.softplus) if self.has_program else None

    @property
    def key(self) -> str:
        return str(self.tree)

    @property
    def complexity(self) -> int:
        return len(self.weights)

    def with_weights(self, weights: tuple[float, ...]) -> TreeLoss:
        return replace(self, weights=weights)

    def with_scale(self, scale: float) -> TreeLoss:
        return replace(self, scale=scale)

    def to_json(self) -> dict[str, Any]:
        raise NotImplementedError("not needed by the kernels")

    def to_source(self) -> str:
        raise NotImplementedError("not needed by the kernels")


def size(tree: Tree) -> int:
    return 1 if tree[0] == Opcode.CONSTANT else 1 + sum(size(argument) for argument in tree[1:])


def compile_tree(tree: Tree, softplus: bool = False) -> Program:
    rows: list[list[float]] = []

    def visit(node: Tree) -> int:
        place = len(rows)
        rows.append([node[0], -1, -1, node[1] if node[0] == Opcode.CONSTANT else 0.0])
        for side, argument in enumerate(node[1:] if node[0] != Opcode.CONSTANT else ()):
            rows[place][1 + side] = visit(argument)
        return place

    visit(tree)
    table = np.array(rows, dtype=np.float64)
    opcodes, left, right = (table[:, i].astype(np.int32) for i in range(3))
    return Program(opcodes, left, right, table[:, 3].copy(), softplus)


def random_tree(
    rng: np.random.Generator, depth: int, functions: tuple[Opcode, ...] = (*UNARY, *BINARY)
) -> Tree:
    """A tree of at most this depth; `functions` are drawn alike, terminals end branches early now and then."""
    if depth == 0 or rng.random() < 0.15:
        kind = rng.integers(4)
        if kind == 3:
            return (Opcode.CONSTANT, float(rng.choice([1.0, -1.0, 0.5])))
        return (Opcode.Y,) if kind == 0 else (Opcode.F,)
    opcode = functions[rng.integers(len(functions))]
    return (opcode, *(random_tree(rng, depth - 1, functions) for _ in range(1 if opcode in UNARY else 2)))


def random_loss(rng: np.random.Generator, depth: int = 4, spread: float = 0.3, **options: Any) -> TreeLoss:
    tree = random_tree(rng, depth, **options)
    weights = tuple(float(w) for w in rng.normal(1.0, spread, size(tree)))
    return TreeLoss(tree, weights, softplus=bool(rng.random() < 0.3))
