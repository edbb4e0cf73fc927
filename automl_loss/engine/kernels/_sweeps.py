"""The sweeps over a population's instructions, compiled.

Each loss is evaluated block by block, so that its scratch rows stay in the processor's cache:

1. forward: the value of every instruction,
2. backward: the derivative of the loss with respect to every instruction that depends on f, f's own summed,
3. for the derivative by the weights of <u, dL/df>, which is the derivative of L along u, both sweeps on dual numbers:
   forward with tangents (u at f, 0 at y and constants), backward with the tangents of the derivatives. The weight w
   of an instruction r enters as w * r, so with g the derivative by w * r and dots for tangents, its gradient is the
   sum over elements of g' r + g r'.

Backward rather than forward derivatives of f because they multiply in the order in which torch's autograd does, and
are finite wherever its are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from automl_loss.engine.kernels._flat import (
    F_SLOT,
    FIRST_SLOT,
    LEFT,
    LIVE,
    OPCODE,
    RIGHT,
    SLOPED,
    SLOT,
    WEIGHT,
    Y_SLOT,
)
from automl_loss.engine.kernels._jit import entry, fingerprint, helper
from automl_loss.engine.kernels._rows import curvatures, evaluate, slopes
from automl_loss.expression.primitive import Opcode

Y, F, CONSTANT = int(Opcode.Y), int(Opcode.F), int(Opcode.CONSTANT)
ARGUMENTS = CONSTANT  # opcodes above have arguments

# Elements per block, and lanes of the sums: a fixed order of summation that vectorises.
BLOCK = 256
LANES = 8


@helper
def _prepare(table: Any, constants: Any, weights: Any, own: Any, rows: Any) -> None:
    """Gather the weight of each instruction into `own`, and fill the rows of constants."""
    for i in range(len(table)):
        column = table[i, WEIGHT]
        own[i] = weights[column] if column >= 0 else 1.0
        if table[i, OPCODE] == CONSTANT:
            rows[table[i, SLOT]][:] = constants[i]


@helper
def _forward(table: Any, own: Any, y: Any, f: Any, rows: Any, count: Any) -> None:
    """Values of all instructions, before their weights, on one block."""
    rows[Y_SLOT][:count] = y
    rows[F_SLOT][:count] = f
    for i in range(len(table)):
        if table[i, OPCODE] > ARGUMENTS:
            left, right = table[i, LEFT], table[i, RIGHT]
            a, b = rows[table[left, SLOT]], rows[table[right, SLOT]]
            evaluate(table[i, OPCODE], a, own[left], b, own[right], rows[table[i, SLOT]], count)


@helper
def _backward(table: Any, own: Any, rows: Any, adjoints: Any, da: Any, db: Any, result: Any, count: Any) -> None:
    """Add the block's dL/df to `result`; `adjoints[i]` becomes the derivative by instruction i before its weight."""
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
        wa, wb = own[left], own[right]
        slopes(table[i, OPCODE], a, wa, b, wb, rows[table[i, SLOT]], da, db, count)
        if table[left, SLOPED]:
            ga = adjoints[left]
            for k in range(count):
                ga[k] = g[k] * da[k] * wa
        if right != i and table[right, SLOPED]:
            gb = adjoints[right]
            for k in range(count):
                gb[k] = g[k] * db[k] * wb


@helper
def _forward_tangents(table: Any, own: Any, u: Any, rows: Any, tangents: Any, da: Any, db: Any, count: Any) -> None:
    """Derivatives of all instructions along u, before their weights; their slopes are kept in `da`, `db`."""
    tangents[F_SLOT][:count] = u
    for i in range(len(table)):
        if table[i, OPCODE] <= ARGUMENTS or not table[i, LIVE]:
            continue
        left, right, slot = table[i, LEFT], table[i, RIGHT], table[i, SLOT]
        a, b = rows[table[left, SLOT]], rows[table[right, SLOT]]
        wa, wb = own[left], own[right]
        slopes(table[i, OPCODE], a, wa, b, wb, rows[slot], da[i], db[i], count)
        t, sa, sb = tangents[slot], da[i], db[i]
        if not table[i, SLOPED]:
            t[:count] = 0.0
            continue
        ta = tangents[table[left, SLOT]]
        if right == i:
            for k in range(count):
                t[k] = sa[k] * (wa * ta[k])
        else:
            tb = tangents[table[right, SLOT]]
            for k in range(count):
                t[k] = sa[k] * (wa * ta[k]) + sb[k] * (wb * tb[k])


@helper
def _accumulate(lanes: Any, g: Any, r: Any, gt: Any, rt: Any, count: Any) -> None:
    """Add g' r + g r' of one block to the partial sums."""
    whole = count - count % LANES
    for start in range(0, whole, LANES):
        for j in range(LANES):
            k = start + j
            lanes[j] += np.float64(gt[k] * r[k] + g[k] * rt[k])
    for k in range(whole, count):
        lanes[k - whole] += np.float64(gt[k] * r[k] + g[k] * rt[k])


@helper
def _backward_tangents(
    table: Any,
    own: Any,
    rows: Any,
    tangents: Any,
    adjoints: Any,
    adjoint_tangents: Any,
    da: Any,
    db: Any,
    second: Any,
    sums: Any,
    count: Any,
) -> None:
    """Add the block's share of every weight's gradient to `sums`, `(instructions, LANES)`.

    `adjoints[i]` becomes the derivative by instruction i after its weight, `adjoint_tangents[i]` its tangent.
    """
    last = len(table) - 1
    adjoints[last][:count] = 1.0
    adjoint_tangents[last][:count] = 0.0
    aa, ab, bb = second[0], second[1], second[2]
    for i in range(last, -1, -1):
        if not table[i, LIVE]:
            continue
        slot = table[i, SLOT]
        g, gt = adjoints[i], adjoint_tangents[i]
        if table[i, WEIGHT] >= 0:
            _accumulate(sums[i], g, rows[slot], gt, tangents[slot], count)
        left, right = table[i, LEFT], table[i, RIGHT]
        if left == i or not table[left, LIVE]:
            continue
        w, wa, wb = own[i], own[left], own[right]
        a, b = rows[table[left, SLOT]], rows[table[right, SLOT]]
        ta, tb = tangents[table[left, SLOT]], tangents[table[right, SLOT]]
        sa, sb = da[i], db[i]
        ga, gta = adjoints[left], adjoint_tangents[left]
        gb, gtb = adjoints[right], adjoint_tangents[right]
        bent = table[i, SLOPED] and curvatures(
            table[i, OPCODE], a, wa, b, wb, rows[slot], sa, aa, ab, bb, count
        )
        if right == i:
            for k in range(count):
                ga[k] = (w * g[k]) * sa[k]
                gta[k] = (w * gt[k]) * sa[k]
            if bent:
                for k in range(count):
                    gta[k] += (w * g[k]) * (aa[k] * (wa * ta[k]))
        else:
            for k in range(count):
                ga[k] = (w * g[k]) * sa[k]
                gb[k] = (w * g[k]) * sb[k]
                gta[k] = (w * gt[k]) * sa[k]
                gtb[k] = (w * gt[k]) * sb[k]
            if bent:
                for k in range(count):
                    gta[k] += (w * g[k]) * (aa[k] * (wa * ta[k]) + ab[k] * (wb * tb[k]))
                for k in range(count):
                    gtb[k] += (w * g[k]) * (ab[k] * (wa * ta[k]) + bb[k] * (wb * tb[k]))


def build(sources: int) -> tuple[Callable[..., int], Callable[..., int], Callable[..., int]]:
    """The compiled `(value, gradient, weight_gradient)`.

    Each takes the population's `table`, `constants`, `offsets` and `longest`, the range of losses to work on, their inputs
    as `(1 or P, elements)` arrays of one dtype, and the `result` to fill for that range. They return `sources`, which is
    how the number gets into numba's cache key.
    """

    @entry
    def value(
        table: Any,
        constants: Any,
        offsets: Any,
        longest: Any,
        first: Any,
        stop: Any,
        f: Any,
        y: Any,
        weights: Any,
        result: Any,
    ) -> int:
        rows = np.empty((FIRST_SLOT + longest, BLOCK), dtype=f.dtype)
        own = np.empty(longest, dtype=f.dtype)
        for p in range(first, stop):
            code = table[offsets[p] : offsets[p + 1]]
            _prepare(code, constants[offsets[p] : offsets[p + 1]], weights[p], own, rows)
            fp, yp, last = f[p % len(f)], y[p % len(y)], len(code) - 1
            root, weight = rows[code[last, SLOT]], own[last]
            for start in range(0, f.shape[1], BLOCK):
                end = min(start + BLOCK, f.shape[1])
                _forward(code, own, yp[start:end], fp[start:end], rows, end - start)
                out = result[p][start:end]
                for k in range(end - start):
                    out[k] = weight * root[k]
        return sources

    @entry
    def gradient(
        table: Any,
        constants: Any,
        offsets: Any,
        longest: Any,
        first: Any,
        stop: Any,
        f: Any,
        y: Any,
        weights: Any,
        result: Any,
    ) -> int:
        rows = np.empty((FIRST_SLOT + longest, BLOCK), dtype=f.dtype)
        adjoints = np.empty((longest + 2, BLOCK), dtype=f.dtype)
        own = np.empty(longest, dtype=f.dtype)
        for p in range(first, stop):
            code = table[offsets[p] : offsets[p + 1]]
            _prepare(code, constants[offsets[p] : offsets[p + 1]], weights[p], own, rows)
            fp, yp = f[p % len(f)], y[p % len(y)]
            da, db = adjoints[longest], adjoints[longest + 1]
            for start in range(0, f.shape[1], BLOCK):
                end = min(start + BLOCK, f.shape[1])
                out = result[p][start:end]
                out[:] = 0.0
                _forward(code, own, yp[start:end], fp[start:end], rows, end - start)
                _backward(code, own, rows, adjoints, da, db, out, end - start)
        return sources

    @entry
    def weight_gradient(
        table: Any,
        constants: Any,
        offsets: Any,
        longest: Any,
        first: Any,
        stop: Any,
        f: Any,
        y: Any,
        weights: Any,
        u: Any,
        result: Any,
    ) -> int:
        rows = np.empty((FIRST_SLOT + longest, BLOCK), dtype=f.dtype)
        tangents = np.zeros((FIRST_SLOT + longest, BLOCK), dtype=f.dtype)
        adjoints = np.empty((longest, BLOCK), dtype=f.dtype)
        adjoint_tangents = np.empty((longest, BLOCK), dtype=f.dtype)
        da = np.empty((longest, BLOCK), dtype=f.dtype)
        db = np.empty((longest, BLOCK), dtype=f.dtype)
        second = np.empty((3, BLOCK), dtype=f.dtype)
        own = np.empty(longest, dtype=f.dtype)
        sums = np.empty((longest, LANES), dtype=np.float64)
        for p in range(first, stop):
            code = table[offsets[p] : offsets[p + 1]]
            _prepare(code, constants[offsets[p] : offsets[p + 1]], weights[p], own, rows)
            for i in range(len(code)):
                if code[i, OPCODE] == CONSTANT:
                    tangents[code[i, SLOT]][:] = 0.0
            sums[:] = 0.0
            fp, yp, up = f[p % len(f)], y[p % len(y)], u[p % len(u)]
            for start in range(0, f.shape[1], BLOCK):
                end = min(start + BLOCK, f.shape[1])
                count = end - start
                _forward(code, own, yp[start:end], fp[start:end], rows, count)
                _forward_tangents(code, own, up[start:end], rows, tangents, da, db, count)
                _backward_tangents(
                    code, own, rows, tangents, adjoints, adjoint_tangents, da, db, second, sums, count
                )
            for i in range(len(code)):
                if code[i, WEIGHT] >= 0:
                    result[p, code[i, WEIGHT]] = sums[i].sum()
        return sources

    return value, gradient, weight_gradient


value, gradient, weight_gradient = build(fingerprint("_elementary", "_rows", "_jit"))
