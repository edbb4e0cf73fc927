"""Define exp, log, log1p and tanh for the inner loops, in float32 and float64.

The C library's functions are called element by element; these are straight-line arithmetic, which the
compiler turns into vector instructions, several times as fast. Their error is a few ulps (units in the last place)
at most. NaN stays NaN, and infinities give the functions' limits.

Each is written for both widths by `overload`: in compiled code, `exp(x)` has the type of `x`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from automl_loss.engine.kernels._jit import helper

# x is reduced by multiples n of log 2, held in two parts: n * (first part) is exact.
_INVERSE_LN2 = 1.0 / math.log(2.0)
_LN2_64 = (float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33"))
_LN2_32 = (np.float32(0.693359375), np.float32(math.log(2.0) - 0.693359375))

# Adding 1.5 * 2**(mantissa bits) rounds to an integer and leaves it in the low bits of the sum.
_SHIFT_64 = 6755399441055744.0
_SHIFT_BITS_64 = 0x4338000000000000
_SHIFT_32 = np.float32(12582912.0)
_SHIFT_BITS_32 = 0x4B400000

_HALF_ROOT_BITS_64 = int(np.float64(math.sqrt(0.5)).view(np.int64))
_HALF_ROOT_BITS_32 = int(np.float32(math.sqrt(0.5)).view(np.int32))

# Single-precision constants: a bare literal would widen the arithmetic to double.
_1_32 = np.float32(1.0)
_2_32 = np.float32(2.0)
_INVERSE_LN2_32 = np.float32(_INVERSE_LN2)


@helper
def _power_of_two_64(n: Any) -> Any:
    return np.int64((n + 1023) << 52).view(np.float64)


@helper
def _power_of_two_32(n: Any) -> Any:
    return np.int32((n + 127) << 23).view(np.float32)


@helper
def _reduced_expm1_64(r: Any) -> Any:
    """Compute exp(r) - 1 by its series, for |r| <= log(2) / 2."""
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    return p * r * r + r


@helper
def _reduced_expm1_32(r: Any) -> Any:
    p = np.float32(1.0 / 5040.0)
    p = p * r + np.float32(1.0 / 720.0)
    p = p * r + np.float32(1.0 / 120.0)
    p = p * r + np.float32(1.0 / 24.0)
    p = p * r + np.float32(1.0 / 6.0)
    p = p * r + np.float32(0.5)
    return p * r * r + r


@helper
def _exp_64(x: Any) -> Any:
    if x > 710.0:
        x = 710.0
    if x < -760.0:
        x = -760.0
    shifted = x * _INVERSE_LN2 + _SHIFT_64
    n = shifted - _SHIFT_64
    p = _reduced_expm1_64((x - n * _LN2_64[0]) - n * _LN2_64[1]) + 1.0
    exponent = np.float64(shifted).view(np.int64) - _SHIFT_BITS_64
    # In two factors, because 2**n alone overflows, or is subnormal, before the product is one.
    half = exponent >> 1
    return p * _power_of_two_64(half) * _power_of_two_64(exponent - half)


@helper
def _exp_32(x: Any) -> Any:
    if x > np.float32(89.0):
        x = np.float32(89.0)
    if x < np.float32(-110.0):
        x = np.float32(-110.0)
    shifted = x * _INVERSE_LN2_32 + _SHIFT_32
    n = shifted - _SHIFT_32
    p = _reduced_expm1_32((x - n * _LN2_32[0]) - n * _LN2_32[1]) + _1_32
    exponent = np.int32(np.float32(shifted).view(np.int32) - _SHIFT_BITS_32)
    half = np.int32(exponent >> 1)
    return p * _power_of_two_32(half) * _power_of_two_32(exponent - half)


@helper
def _log_64(x: Any) -> Any:
    """Compute n log 2 + 2 artanh((m - 1) / (m + 1)), where x = m 2**n and 1 / sqrt(2) <= m < sqrt(2)."""
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _HALF_ROOT_BITS_64) >> 52
    m = np.int64(bits - (exponent << 52)).view(np.float64) - 1.0
    s = m / (2.0 + m)
    q = s * s
    p = 1.0 / 19.0
    p = p * q + 1.0 / 17.0
    p = p * q + 1.0 / 15.0
    p = p * q + 1.0 / 13.0
    p = p * q + 1.0 / 11.0
    p = p * q + 1.0 / 9.0
    p = p * q + 1.0 / 7.0
    p = p * q + 1.0 / 5.0
    p = p * q + 1.0 / 3.0
    s = s + s
    n = np.int64(exponent + _SHIFT_BITS_64).view(np.float64) - _SHIFT_64
    result = n * _LN2_64[0] + (s + (s * q * p + n * _LN2_64[1]))
    return result if x < np.inf else x


@helper
def _log_32(x: Any) -> Any:
    bits = np.float32(x).view(np.int32)
    exponent = np.int32(np.int32(bits - _HALF_ROOT_BITS_32) >> 23)
    m = np.int32(bits - np.int32(exponent << 23)).view(np.float32) - _1_32
    s = m / (_2_32 + m)
    q = s * s
    p = np.float32(1.0 / 9.0)
    p = p * q + np.float32(1.0 / 7.0)
    p = p * q + np.float32(1.0 / 5.0)
    p = p * q + np.float32(1.0 / 3.0)
    s = s + s
    n = np.float32(exponent)
    result = n * _LN2_32[0] + (s + (s * q * p + n * _LN2_32[1]))
    return result if x < np.float32(np.inf) else x


@helper
def _log1p_64(x: Any) -> Any:
    """Compute the log of the rounded 1 + x, plus a second term that corrects the rounding."""
    total = 1.0 + x
    return _log_64(total) + (x - (total - 1.0)) / total if x < np.inf else x


@helper
def _log1p_32(x: Any) -> Any:
    total = _1_32 + x
    return _log_32(total) + (x - (total - _1_32)) / total if x < np.float32(np.inf) else x


@helper
def _tanh_64(x: Any) -> Any:
    """Compute tanh for x > 0 as t / (t + 2) with t = exp(2 x) - 1, which is accurate near 0; beyond 20 it is 1."""
    twice = 2.0 * abs(x)
    if twice > 40.0:
        twice = 40.0
    shifted = twice * _INVERSE_LN2 + _SHIFT_64
    n = shifted - _SHIFT_64
    p = _reduced_expm1_64((twice - n * _LN2_64[0]) - n * _LN2_64[1])
    power = _power_of_two_64(np.float64(shifted).view(np.int64) - _SHIFT_BITS_64)
    t = power * p + (power - 1.0)
    t = t / (t + 2.0)
    return -t if x < 0.0 else t


@helper
def _tanh_32(x: Any) -> Any:
    twice = _2_32 * abs(x)
    if twice > np.float32(20.0):
        twice = np.float32(20.0)
    shifted = twice * _INVERSE_LN2_32 + _SHIFT_32
    n = shifted - _SHIFT_32
    p = _reduced_expm1_32((twice - n * _LN2_32[0]) - n * _LN2_32[1])
    power = _power_of_two_32(np.float32(shifted).view(np.int32) - _SHIFT_BITS_32)
    t = power * p + (power - _1_32)
    t = t / (t + _2_32)
    return -t if x < np.float32(0.0) else t


def _by_width(single: Callable[..., Any], double: Callable[..., Any]) -> Callable[[Any], Any]:
    def call_single(x: Any) -> Any:
        return single(x)

    def call_double(x: Any) -> Any:
        return double(x)

    def choose(x: Any) -> Callable[[Any], Any] | None:
        return {types.float32: call_single, types.float64: call_double}.get(x)

    return choose


def exp(x: Any) -> Any:
    """Exponential; 0 below and infinity above its range."""
    return np.exp(x)


def log(x: Any) -> Any:
    """Natural logarithm of a normal, positive number."""
    return np.log(x)


def log1p(x: Any) -> Any:
    """log(1 + x) for x >= 0."""
    return np.log1p(x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return np.tanh(x)


overload(exp)(_by_width(_exp_32, _exp_64))
overload(log)(_by_width(_log_32, _log_64))
overload(log1p)(_by_width(_log1p_32, _log1p_64))
overload(tanh)(_by_width(_tanh_32, _tanh_64))
