"""Forward and backward sweeps on dual numbers, for second derivatives of a loss by f and its weights, compiled.

For a given direction u, with one number per element of f, they compute the derivative of <u, dL/df> with respect
to the weights. <u, dL/df> is the derivative of L along u, so forward computes tangents (u at f, 0 at y and
constants) beside the values, and backward computes the tangents of the derivatives. The value r of an instruction
is multiplied by its weight w; with g the derivative of L by w r and primes for tangents, the derivative of
<u, dL/df> by w is the sum over elements of g' r + g r'.

Shapes are those of `_sweeps`; `slopes_a` and `slopes_b` are `(instructions, BLOCK)`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from automl_loss.engine.kernels._flat import CURVED, F_SLOT, LEFT, LIVE, OPCODE, RIGHT, SLOPED, SLOT, WEIGHT
from automl_loss.engine.kernels._jit import helper
from automl_loss.engine.kernels._rows import curvatures, slopes
from automl_loss.engine.kernels._sweeps import TERMINALS, pull


class Duals(NamedTuple):
    """Scratch rows: tangents by slot, three for curvatures, one of float64 for sums, else by instruction."""

    tangents: Any
    slopes_a: Any
    slopes_b: Any
    adjoints: Any
    adjoint_tangents: Any
    second: Any
    terms: Any


@helper
def _matters(table: Any, i: Any) -> Any:
    """Return whether dL/df varies with an instruction's weight; if not, nor does it with its arguments' weights."""
    return table[i, LIVE] and (table[i, SLOPED] or table[i, CURVED])


@helper
def prepare_tangents(table: Any, tangents: Any) -> None:
    """Zero the tangents of instructions that do not depend on f, which the sweeps do not write."""
    for i in range(len(table)):
        if not table[i, SLOPED]:
            tangents[table[i, SLOT]][:] = 0.0


@helper
def forward_tangents(table: Any, own: Any, u: Any, rows: Any, duals: Any, count: Any) -> None:
    """Fill the tangents along `u` of the instructions whose values are in `rows`, and their slopes."""
    duals.tangents[F_SLOT][:count] = u
    for i in range(len(table)):
        if table[i, OPCODE] in TERMINALS or not _matters(table, i):
            continue
        left, right, slot = table[i, LEFT], table[i, RIGHT], table[i, SLOT]
        a, b = rows[table[left, SLOT]], rows[table[right, SLOT]]
        wa, wb = own[left], own[right]
        da, db = duals.slopes_a[i], duals.slopes_b[i]
        slopes(table[i, OPCODE], a, wa, b, wb, rows[slot], da, db, count)
        if not table[i, SLOPED]:
            continue
        t = duals.tangents[slot]
        ta, tb = duals.tangents[table[left, SLOT]], duals.tangents[table[right, SLOT]]
        if right == i:
            for k in range(count):
                t[k] = da[k] * (wa * ta[k])
        else:
            for k in range(count):
                t[k] = da[k] * (wa * ta[k]) + db[k] * (wb * tb[k])


@helper
def backward_tangents(table: Any, own: Any, rows: Any, duals: Any, sums: Any, count: Any) -> None:
    """Add the block's share of every weight's derivative to `sums`, `(instructions,)` in float64.

    `adjoints[i]` is set to g of instruction i, the derivative after its weight, `adjoint_tangents[i]` to g'.
    """
    last = len(table) - 1
    duals.adjoints[last][:count] = 1.0
    duals.adjoint_tangents[last][:count] = 0.0
    aa, ab, bb = duals.second[0], duals.second[1], duals.second[2]
    for i in range(last, -1, -1):
        if not _matters(table, i):
            continue
        opcode, left, right, slot = table[i, OPCODE], table[i, LEFT], table[i, RIGHT], table[i, SLOT]
        g, gt = duals.adjoints[i], duals.adjoint_tangents[i]
        if table[i, WEIGHT] >= 0 and table[i, CURVED]:
            sums[i] += _dot(gt, rows[slot], duals.terms, count)
        if table[i, WEIGHT] >= 0 and table[i, SLOPED]:
            sums[i] += _dot(g, duals.tangents[slot], duals.terms, count)
        if opcode in TERMINALS or not table[left, LIVE]:
            continue
        w, wa, wb = own[i], own[left], own[right]
        a, b = rows[table[left, SLOT]], rows[table[right, SLOT]]
        ta, tb = duals.tangents[table[left, SLOT]], duals.tangents[table[right, SLOT]]
        da, db = duals.slopes_a[i], duals.slopes_b[i]
        ga, gta = duals.adjoints[left], duals.adjoint_tangents[left]
        gb, gtb = duals.adjoints[right], duals.adjoint_tangents[right]
        bent = table[i, SLOPED] and curvatures(opcode, a, wa, b, wb, rows[slot], da, aa, ab, bb, count)
        pull(opcode, g, da, w, ga, count)
        pull(opcode, gt, da, w, gta, count)
        if right != i:
            pull(opcode, g, db, w, gb, count)
            pull(opcode, gt, db, w, gtb, count)
        if bent and table[left, SLOPED]:
            _bend(w, g, aa, wa, ta, gta, count)
            if right != i:
                _bend(w, g, ab, wa, ta, gtb, count)
        if bent and right != i and table[right, SLOPED]:
            _bend(w, g, ab, wb, tb, gta, count)
            _bend(w, g, bb, wb, tb, gtb, count)


@helper
def _bend(w: Any, g: Any, curvature: Any, weight: Any, tangent: Any, out: Any, count: Any) -> None:
    """Add the change of the slope along one argument's tangent: w g times curvature times weight times tangent."""
    for k in range(count):
        out[k] += (w * g[k]) * (curvature[k] * (weight * tangent[k]))


@helper
def _dot(a: Any, b: Any, terms: Any, count: Any) -> Any:
    """Return the sum of a b over one block, added by halves, a fixed order that vectorises."""
    for k in range(count):
        terms[k] = np.float64(a[k] * b[k])
    width = 1
    while width < count:
        width *= 2
    terms[count:width] = 0.0
    while width > 1:
        width //= 2
        for k in range(width):
            terms[k] += terms[k + width]
    return terms[0]
