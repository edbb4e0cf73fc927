"""A population of programs as one table, in the order of execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_loss.expression.primitive import Opcode
from automl_loss.expression.program import Program

# Columns of the table of instructions.
OPCODE, LEFT, RIGHT, WEIGHT, SLOT, SLOPED, LIVE = range(7)

# Slots of a block that hold the inputs; an instruction's own slot follows from its place.
Y_SLOT, F_SLOT, FIRST_SLOT = range(3)


@dataclass(frozen=True)
class FlatPrograms:
    """Instructions of all losses, one loss after the other; an argument always comes before its reader.

    Columns of `table`: `OPCODE`; `LEFT` and `RIGHT`, instructions of the same loss counted from its first (the
    instruction's own place for an argument that does not exist); `WEIGHT`, the column of the weight, -1 for the
    activation, which has none; `SLOT`, the row of scratch memory with its values; `SLOPED`, whether its derivative
    with respect to f can differ from zero; `LIVE`, whether the derivative of the loss with respect to it can.

    Args:
        table: `(instructions, 7)` int32.
        constants: `(instructions,)` float64, value of `CONSTANT` instructions, 0 elsewhere.
        offsets: `(losses + 1,)` int64; loss p is `table[offsets[p]:offsets[p + 1]]`.
        longest: number of instructions of the longest loss.
        weights: largest number of weights of a loss.
    """

    table: npt.NDArray[np.int32]
    constants: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int64]
    longest: int
    weights: int

    def __len__(self) -> int:
        return len(self.offsets) - 1


def flatten(programs: Sequence[Program]) -> FlatPrograms:
    """Join programs, at least one, into one table."""
    tables = [_table(program) for program in programs]
    lengths = [len(table) for table in tables]
    constants = [np.append(program.constants[::-1], [0.0] * program.softplus) for program in programs]
    return FlatPrograms(
        table=np.ascontiguousarray(np.concatenate(tables), dtype=np.int32),
        constants=np.concatenate(constants).astype(np.float64),
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        longest=max(lengths),
        weights=max(len(program) for program in programs),
    )


def _table(program: Program) -> npt.NDArray[np.int32]:
    """The instructions of one loss: its nodes from last to first, then the activation."""
    nodes = len(program)
    table = np.empty((nodes + program.softplus, 7), dtype=np.int32)
    for place in range(nodes):
        node = nodes - 1 - place
        left, right = int(program.left[node]), int(program.right[node])
        table[place, OPCODE] = program.opcodes[node]
        table[place, LEFT] = nodes - 1 - left if left >= 0 else place
        table[place, RIGHT] = nodes - 1 - right if right >= 0 else place
        table[place, WEIGHT] = node
    if program.softplus:
        table[nodes, :4] = Opcode.SOFTPLUS, nodes - 1, nodes, -1
    _mark(table)
    return table


def _mark(table: npt.NDArray[np.int32]) -> None:
    """Fill the columns that follow from the others."""
    for place, (opcode, left, right) in enumerate(table[:, :3].tolist()):
        table[place, SLOT] = {Opcode.Y: Y_SLOT, Opcode.F: F_SLOT}.get(opcode, FIRST_SLOT + place)
        arguments = {left, right} - {place}
        table[place, SLOPED] = opcode == Opcode.F or (
            opcode != Opcode.SIGN and any(table[argument, SLOPED] for argument in arguments)
        )
    table[:, LIVE] = 0
    table[-1, LIVE] = 1
    for place in range(len(table) - 1, -1, -1):
        opcode, left, right = table[place, :3].tolist()
        if table[place, LIVE] and opcode != Opcode.SIGN:
            table[[left, right], LIVE] = 1
