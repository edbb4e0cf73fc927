"""Define the compiled functions that Python calls: value, gradient and weight gradient of a range of losses.

Each takes `table`, `constants`, `offsets` and `longest` of a `FlatPrograms`; `first` and `stop`, the losses
to work on; `f`, `y` (and `u`) as `(1 or P, elements)` arrays and `weights`, `(P, K)`, all contiguous and of
one float dtype; and `result` to fill. A loss is evaluated block by block, so that its scratch rows stay in
the processor's cache. It depends on no other, so ranges can run in parallel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from automl_loss.engine.kernels import _dual_sweeps, _elementary, _flat, _jit, _rows, _sweeps
from automl_loss.engine.kernels._dual_sweeps import (
    Duals,
    backward_tangents,
    forward_tangents,
    prepare_tangents,
)
from automl_loss.engine.kernels._flat import FIRST_SLOT, SLOT, WEIGHT
from automl_loss.engine.kernels._jit import entry, fingerprint
from automl_loss.engine.kernels._sweeps import backward, forward, prepare
from automl_loss.expression import primitive, vocabulary

# Elements per block: a dozen rows of float32 or float64 fit the first two levels of cache.
BLOCK = 512

Entry = Callable[..., int]


def build(sources: int) -> tuple[Entry, Entry, Entry]:
    """Compile the entries. They return `sources`, so that the number is part of numba's cache key."""

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
        elements = f.shape[1]
        rows = np.empty((FIRST_SLOT + longest, BLOCK), dtype=f.dtype)
        own = np.empty(longest, dtype=f.dtype)
        for p in range(first, stop):
            code = table[offsets[p] : offsets[p + 1]]
            prepare(code, constants[offsets[p] : offsets[p + 1]], weights[p], own, rows)
            fp, yp, last = f[p % len(f)], y[p % len(y)], len(code) - 1
            root, weight = rows[code[last, SLOT]], own[last]
            for start in range(0, elements, BLOCK):
                end = min(start + BLOCK, elements)
                forward(code, own, yp[start:end], fp[start:end], rows, end - start)
                out = result[p, start:end]
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
        elements = f.shape[1]
        rows = np.empty((FIRST_SLOT + longest, BLOCK), dtype=f.dtype)
        adjoints = np.empty((longest, BLOCK), dtype=f.dtype)
        da, db = np.empty(BLOCK, dtype=f.dtype), np.empty(BLOCK, dtype=f.dtype)
        own = np.empty(longest, dtype=f.dtype)
        for p in range(first, stop):
            code = table[offsets[p] : offsets[p + 1]]
            prepare(code, constants[offsets[p] : offsets[p + 1]], weights[p], own, rows)
            fp, yp = f[p % len(f)], y[p % len(y)]
            for start in range(0, elements, BLOCK):
                end = min(start + BLOCK, elements)
                out = result[p, start:end]
                out[:] = 0.0
                forward(code, own, yp[start:end], fp[start:end], rows, end - start)
                backward(code, own, rows, adjoints, da, db, out, end - start)
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
        elements = f.shape[1]
        rows = np.empty((FIRST_SLOT + longest, BLOCK), dtype=f.dtype)
        duals = Duals(
            np.zeros((FIRST_SLOT + longest, BLOCK), dtype=f.dtype),
            np.empty((longest, BLOCK), dtype=f.dtype),
            np.empty((longest, BLOCK), dtype=f.dtype),
            np.empty((longest, BLOCK), dtype=f.dtype),
            np.empty((longest, BLOCK), dtype=f.dtype),
            np.empty((3, BLOCK), dtype=f.dtype),
            np.empty(BLOCK, dtype=np.float64),
        )
        own = np.empty(longest, dtype=f.dtype)
        sums = np.empty(longest, dtype=np.float64)
        for p in range(first, stop):
            code = table[offsets[p] : offsets[p + 1]]
            prepare(code, constants[offsets[p] : offsets[p + 1]], weights[p], own, rows)
            prepare_tangents(code, duals.tangents)
            sums[:] = 0.0
            fp, yp, up = f[p % len(f)], y[p % len(y)], u[p % len(u)]
            for start in range(0, elements, BLOCK):
                end = min(start + BLOCK, elements)
                forward(code, own, yp[start:end], fp[start:end], rows, end - start)
                forward_tangents(code, own, up[start:end], rows, duals, end - start)
                backward_tangents(code, own, rows, duals, sums, end - start)
            result[p, :] = 0.0
            for i in range(len(code)):
                if code[i, WEIGHT] >= 0:
                    result[p, code[i, WEIGHT]] = sums[i]
        return sources

    return value, gradient, weight_gradient


value, gradient, weight_gradient = build(
    fingerprint(_dual_sweeps, _elementary, _flat, _jit, _rows, _sweeps, primitive, vocabulary)
)
