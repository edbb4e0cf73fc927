"""Compile an expression to a `Program`."""

from __future__ import annotations

import numpy as np

from automl_loss.expression.expression import Expression
from automl_loss.expression.program import Program


def compile_program(expression: Expression, *, softplus: bool = False) -> Program | None:
    """Return instructions for the compiled kernels, or `None` when a primitive has no opcode.

    Args:
        expression: the loss.
        softplus: whether softplus is applied to the weighted root.
    """
    nodes = expression.nodes()
    size = len(nodes)
    opcodes = np.zeros(size, dtype=np.int32)
    left, right = np.full(size, -1, dtype=np.int32), np.full(size, -1, dtype=np.int32)
    constants = np.zeros(size, dtype=np.float64)
    for index, node in enumerate(nodes):
        primitive = node.primitive
        if primitive.opcode is None or primitive.arity > 2:
            return None
        opcodes[index] = primitive.opcode
        constants[index] = primitive.value or 0.0
        if primitive.arity:
            left[index] = index + 1
        if primitive.arity == 2:
            right[index] = index + 1 + node.children[0].size
    return Program(opcodes, left, right, constants, softplus)
