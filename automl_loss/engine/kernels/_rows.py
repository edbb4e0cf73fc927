"""Evaluate each opcode on a row of elements: value, first and second partial derivatives.

A row holds one number per element of a block, an instruction's value *before* its weight; readers multiply by
the weight. So terminals need no work, and A = wa * a, B = wb * b are an instruction's arguments
below. Each opcode is one tight loop that the compiler vectorises; a loop writes two rows at most, because
with more the compiler gives up proving that they do not overlap. Derivatives follow torch: 0 for sign,
sign(0) = 0 for abs, half each for ties of min and max, 1 at the upper end of a clamp and 0 above.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from automl_loss.engine.kernels._elementary import exp, log, log1p, tanh
from automl_loss.engine.kernels._jit import helper
from automl_loss.expression.primitive import Opcode
from automl_loss.expression.vocabulary import EPSILON, EXPONENT_LIMIT

ADD, SUB, MUL, DIV = int(Opcode.ADD), int(Opcode.SUB), int(Opcode.MUL), int(Opcode.DIV)
MIN, MAX = int(Opcode.MIN), int(Opcode.MAX)
SIGN, ABS, SQUARE, SQRT = int(Opcode.SIGN), int(Opcode.ABS), int(Opcode.SQUARE), int(Opcode.SQRT)
LOG, TANH, EXP, SIGMOID = int(Opcode.LOG), int(Opcode.TANH), int(Opcode.EXP), int(Opcode.SIGMOID)
SOFTPLUS = int(Opcode.SOFTPLUS)

# torch's softplus is the identity above this.
SOFTPLUS_THRESHOLD = 20.0


@helper
def _sign(x: Any, one: Any) -> Any:
    """Return `one`, `-one` or 0 by the sign of x."""
    zero = one - one  # has x's own width, unlike a literal
    return one if x > zero else (-one if x < zero else zero)


@helper
def evaluate(opcode: Any, a: Any, wa: Any, b: Any, wb: Any, out: Any, count: Any) -> None:
    """Write op(A, B), or op(A), into `out[:count]`."""
    one = out.dtype.type(1.0)
    small = out.dtype.type(EPSILON)
    if opcode == ADD:
        for k in range(count):
            out[k] = wa * a[k] + wb * b[k]
    elif opcode == SUB:
        for k in range(count):
            out[k] = wa * a[k] - wb * b[k]
    elif opcode == MUL:
        for k in range(count):
            out[k] = (wa * a[k]) * (wb * b[k])
    elif opcode == DIV:
        for k in range(count):
            divisor = wb * b[k]
            out[k] = (wa * a[k]) / np.sqrt(one + divisor * divisor)
    elif opcode == MIN:
        for k in range(count):
            x, y = wa * a[k], wb * b[k]
            out[k] = x if (x < y or x != x) else y
    elif opcode == MAX:
        for k in range(count):
            x, y = wa * a[k], wb * b[k]
            out[k] = x if (x > y or x != x) else y
    elif opcode == SIGN:
        for k in range(count):
            out[k] = _sign(wa * a[k], one)
    elif opcode == ABS:
        for k in range(count):
            out[k] = abs(wa * a[k])
    elif opcode == SQUARE:
        for k in range(count):
            x = wa * a[k]
            out[k] = x * x
    elif opcode == LOG:
        for k in range(count):
            out[k] = log(abs(wa * a[k]) + small)
    elif opcode == SQRT:
        for k in range(count):
            out[k] = np.sqrt(abs(wa * a[k]) + small)
    elif opcode == TANH:
        for k in range(count):
            out[k] = tanh(wa * a[k])
    elif opcode == EXP:
        limit = out.dtype.type(EXPONENT_LIMIT)
        for k in range(count):
            x = wa * a[k]
            out[k] = exp(limit if x > limit else x)
    elif opcode == SIGMOID:
        for k in range(count):
            out[k] = one / (one + exp(-(wa * a[k])))
    elif opcode == SOFTPLUS:
        threshold = out.dtype.type(SOFTPLUS_THRESHOLD)
        for k in range(count):
            x = wa * a[k]
            smooth = log1p(exp(x))
            out[k] = x if x > threshold else smooth


@helper
def slopes(opcode: Any, a: Any, wa: Any, b: Any, wb: Any, out: Any, da: Any, db: Any, count: Any) -> None:
    """Write d op / dA into `da[:count]` and d op / dB into `db[:count]`; `out` holds the node's values."""
    one = out.dtype.type(1.0)
    half = out.dtype.type(0.5)
    zero = out.dtype.type(0.0)
    small = out.dtype.type(EPSILON)
    if opcode == ADD:
        for k in range(count):
            da[k] = one
            db[k] = one
    elif opcode == SUB:
        for k in range(count):
            da[k] = one
            db[k] = -one
    elif opcode == MUL:
        for k in range(count):
            da[k] = wb * b[k]
            db[k] = wa * a[k]
    elif opcode == DIV:
        # In terms of r = 1 / sqrt(1 + B^2), no factor overflows before the result does.
        for k in range(count):
            divisor = wb * b[k]
            r = one / np.sqrt(one + divisor * divisor)
            da[k] = r
            db[k] = -((wa * a[k]) * r) * (divisor * r) * r
    elif opcode == MIN:
        for k in range(count):
            x, y = wa * a[k], wb * b[k]
            tie = half if x == y else one
            da[k] = zero if x > y else tie
            db[k] = zero if x < y else tie
    elif opcode == MAX:
        for k in range(count):
            x, y = wa * a[k], wb * b[k]
            tie = half if x == y else one
            da[k] = zero if x < y else tie
            db[k] = zero if x > y else tie
    elif opcode == ABS:
        for k in range(count):
            da[k] = _sign(wa * a[k], one)
    elif opcode == SQUARE:
        for k in range(count):
            x = wa * a[k]
            da[k] = x + x
    elif opcode == LOG:
        for k in range(count):
            x = wa * a[k]
            da[k] = _sign(x, one) / (abs(x) + small)
    elif opcode == SQRT:
        for k in range(count):
            da[k] = _sign(wa * a[k], half) / out[k]
    elif opcode == TANH:
        for k in range(count):
            da[k] = one - out[k] * out[k]
    elif opcode == EXP:
        limit = out.dtype.type(EXPONENT_LIMIT)
        for k in range(count):
            da[k] = out[k] if wa * a[k] <= limit else zero
    elif opcode == SIGMOID:
        for k in range(count):
            da[k] = (one - out[k]) * out[k]
    elif opcode == SOFTPLUS:
        threshold = out.dtype.type(SOFTPLUS_THRESHOLD)
        for k in range(count):
            x = wa * a[k]
            power = exp(x)
            da[k] = one if x > threshold else power / (power + one)


@helper
def curvatures(
    opcode: Any, a: Any, wa: Any, b: Any, wb: Any, out: Any, da: Any, aa: Any, ab: Any, bb: Any, count: Any
) -> bool:
    """Write the second partial derivatives by A A, A B, B B; `da` is from `slopes`. Return False if all are zero."""
    one = out.dtype.type(1.0)
    two = out.dtype.type(2.0)
    zero = out.dtype.type(0.0)
    if opcode == MUL:
        aa[:count] = zero
        ab[:count] = one
        bb[:count] = zero
    elif opcode == DIV:
        three = out.dtype.type(3.0)
        aa[:count] = zero
        for k in range(count):
            divisor = wb * b[k]
            r = one / np.sqrt(one + divisor * divisor)
            q = divisor * r
            ab[k] = -q * r * r
            bb[k] = ((wa * a[k]) * r) * r * r * (three * q * q - one)
    elif opcode == SQUARE:
        for k in range(count):
            aa[k] = two
    elif opcode == LOG:
        for k in range(count):
            aa[k] = -da[k] * da[k]
    elif opcode == SQRT:
        for k in range(count):
            aa[k] = -da[k] * da[k] / out[k]
    elif opcode == TANH:
        for k in range(count):
            aa[k] = -two * out[k] * da[k]
    elif opcode == EXP:
        for k in range(count):
            aa[k] = da[k]
    elif opcode == SIGMOID:
        for k in range(count):
            aa[k] = da[k] * (one - two * out[k])
    elif opcode == SOFTPLUS:
        threshold = out.dtype.type(SOFTPLUS_THRESHOLD)
        for k in range(count):
            aa[k] = zero if wa * a[k] > threshold else da[k] * (one - da[k])
    else:
        return False
    return True
