"""Join the programs of a population into one table, in the order of execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_loss.expression.primitive import Opcode
from automl_loss.expression.program import Program

# Columns of the table of instructions.
OPCODE, LEFT, RIGHT, WEIGHT, SLOT, SLOPED, LIVE, CURVED = range(8)

# Functions whose derivatives by their arguments are constant.
STRAIGHT = (Opcode.ADD, Opcode.SUB, Opcode.MIN, Opcode.MAX, Opcode.ABS)

# Slots of a block that hold the inputs; an instruction's own slot follows from its index.
Y_SLOT, F_SLOT, FIRST_SLOT = range(3)


@dataclass(frozen=True)
class FlatPrograms:
    """Instructions of all losses, one loss after the other; an argument always comes before its reader.

    Columns of `table`: `OPCODE`; `LEFT` and `RIGHT`, instructions of the same loss counted from its first, or
    the instruction itself where there is no argument; `WEIGHT`, the weight's column, -1 for an instruction
    that has none; `SLOT`, the row of scratch memory that holds its values; and three flags: `SLOPED`, it
    varies with f; `LIVE`, the loss varies with it; `CURVED`, the derivative of the loss by it varies with f.

    Args:
        table: `(instructions, 8)` int32.
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
    parts = [_instructions(program) for program in programs]
    lengths = [len(table) for table, _ in parts]
    return FlatPrograms(
        table=np.concatenate([table for table, _ in parts]),
        constants=np.concatenate([constants for _, constants in parts]),
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        longest=max(lengths),
        weights=max(len(program) for program in programs),
    )


def _instructions(program: Program) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Make table and constants of one loss: its nodes from last to first, then the activation."""
    rows: list[list[int]] = []
    constants: list[float] = []
    places: dict[int, int] = {}  # index of each node's last instruction

    def append(opcode: int, left: int | None = None, right: int | None = None, weight: int = -1) -> int:
        place = len(rows)
        rows.append([opcode, place if left is None else left, place if right is None else right, weight])
        constants.append(0.0)
        return place

    for node in range(len(program) - 1, -1, -1):
        opcode = int(program.opcodes[node])
        left, right = places.get(int(program.left[node])), places.get(int(program.right[node]))
        if opcode == Opcode.POWER:
            # Three instructions, as the vocabulary defines it, so that it overflows where torch's does.
            exponent = append(Opcode.MUL, right, append(Opcode.LOG, left))
            places[node] = append(Opcode.EXP, exponent, weight=node)
        else:
            places[node] = append(opcode, left, right, node)
        constants[-1] = float(program.constants[node])
    if program.softplus:
        append(Opcode.SOFTPLUS, places[0])
    table = np.zeros((len(rows), 8), dtype=np.int32)
    table[:, :4] = rows
    _mark(table)
    return table, np.array(constants)


def _mark(table: npt.NDArray[np.int32]) -> None:
    """Fill the columns that are computed from the others: `SLOT` and the three flags."""
    for place, (opcode, left, right) in enumerate(table[:, :3].tolist()):
        table[place, SLOT] = {Opcode.Y: Y_SLOT, Opcode.F: F_SLOT}.get(opcode, FIRST_SLOT + place)
        table[place, SLOPED] = opcode == Opcode.F or (
            opcode != Opcode.SIGN and bool(table[left, SLOPED] or table[right, SLOPED])
        )
    table[-1, LIVE] = 1
    for place in range(len(table) - 1, -1, -1):
        opcode, left, right = table[place, :3].tolist()
        if not table[place, LIVE]:
            continue
        for argument, other in ((left, right), (right, left)):
            if argument == place or opcode == Opcode.SIGN:
                continue
            if opcode == Opcode.MUL or (opcode == Opcode.DIV and argument == left):
                varies = bool(table[other, SLOPED])
            else:
                varies = opcode not in STRAIGHT and bool(table[place, SLOPED])
            table[argument, LIVE] = 1
            table[argument, CURVED] = table[place, CURVED] or varies
