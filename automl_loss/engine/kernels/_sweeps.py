"""Forward and backward sweeps over one loss's instructions on one block of elements, compiled.

Forward computes the value of every instruction, backward the derivative of the loss with respect to every
instruction that depends on f, in the order of multiplication of torch's autograd, so that the result overflows
exactly where autograd's does.

Shapes: `table` is one loss's part of `FlatPrograms.table`, `own` holds the weight of each instruction, `rows`
is `(slots, BLOCK)` with the values of instructions before their weights. Of each row, `count` elements are in
use.
"""

from __future__ import annotations

from typing import Any

from automl_loss.engine.kernels._flat import F_SLOT, LEFT, LIVE, OPCODE, RIGHT, SLOPED, SLOT, WEIGHT, Y_SLOT
from automl_loss.engine.kernels._jit import helper
from automl_loss.engine.kernels._rows import evaluate, slopes
from automl_loss.expression.primitive import Opcode

F, CONSTANT = int(Opcode.F), int(Opcode.CONSTANT)
TERMINALS = (int(Opcode.Y), F, CONSTANT)

# The argument that is not chosen has derivative 0 even where g is infinite.
CHOOSING = (int(Opcode.MIN), int(Opcode.MAX), int(Opcode.EXP))


@helper
def prepare(table: Any, constants: Any, weights: Any, own: Any, rows: Any) -> None:
    """Gather the weight of each instruction into `own`, and fill the rows of constants."""
    for i in range(len(table)):
        column = table[i, WEIGHT]
        own[i] = weights[column] if column >= 0 else 1.0
        if table[i, OPCODE] == CONSTANT:
            rows[table[i, SLOT]][:] = constants[i]


@helper
def forward(table: Any, own: Any, y: Any, f: Any, rows: Any, count: Any) -> None:
    """Fill `rows` with the values of all instructions at targets `y` and predictions `f`."""
    rows[Y_SLOT][:count] = y
    rows[F_SLOT][:count] = f
    for i in range(len(table)):
        if table[i, OPCODE] not in TERMINALS:
            left, right = table[i, LEFT], table[i, RIGHT]
            a, b = rows[table[left, SLOT]], rows[table[right, SLOT]]
            evaluate(table[i, OPCODE], a, own[left], b, own[right], rows[table[i, SLOT]], count)


@helper
def backward(
    table: Any, own: Any, rows: Any, adjoints: Any, da: Any, db: Any, result: Any, count: Any
) -> None:
    """Add dL/df to `result`; `adjoints[i]` is set to the derivative by instruction i before its weight."""
    last = len(table) - 1
    adjoints[last][:count] = own[last]
    for i in range(last, -1, -1):
        if not (table[i, SLOPED] and table[i, LIVE]):
            continue
        g = adjoints[i]
        if table[i, OPCODE] == F:
            for k in range(count):
                result[k] += g[k]
            continue
        left, right = table[i, LEFT], table[i, RIGHT]
        a, b = rows[table[left, SLOT]], rows[table[right, SLOT]]
        slopes(table[i, OPCODE], a, own[left], b, own[right], rows[table[i, SLOT]], da, db, count)
        if table[left, SLOPED]:
            pull(table[i, OPCODE], g, da, own[left], adjoints[left], count)
        if right != i and table[right, SLOPED]:
            pull(table[i, OPCODE], g, db, own[right], adjoints[right], count)


@helper
def pull(opcode: Any, g: Any, slope: Any, weight: Any, out: Any, count: Any) -> None:
    """Compute the derivative by an argument from that by its instruction: g times slope times weight."""
    if opcode in CHOOSING:
        for k in range(count):
            out[k] = g[k] * slope[k] * weight if slope[k] != 0 else slope[k]
    else:
        for k in range(count):
            out[k] = g[k] * slope[k] * weight
