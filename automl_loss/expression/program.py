"""Define `Program`, a loss as a flat list of instructions for the compiled kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Program:
    """Nodes of an expression in pre-order, the order of the loss's weights.

    A node's children always come after it, so evaluating from the last node to the first meets every argument
    before its use. Node 0 is the root; its value times its weight is the loss.

    Args:
        opcodes: `(nodes,)` int32, `Opcode` values.
        left: `(nodes,)` int32, index of the first argument, -1 when there is none.
        right: `(nodes,)` int32, index of the second argument, -1 when there is none.
        constants: `(nodes,)` float64, value of `CONSTANT` nodes, 0 elsewhere.
        softplus: whether softplus is applied to the weighted root.
    """

    opcodes: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    constants: npt.NDArray[np.float64]
    softplus: bool = False

    def __len__(self) -> int:
        return len(self.opcodes)
