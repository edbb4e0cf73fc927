"""Evaluate a population of losses by one compiled interpreter, the fast kernel on CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automl_loss.engine.kernels._flat import flatten
from automl_loss.engine.kernels.base import LossKernel
from automl_loss.expression.program import Program


class CompiledKernel(LossKernel):
    """Kernel for losses with a program, which are joined into one table for compiled code.

    The interpreter is compiled, once per installation and dtype, never a loss. It reads float32 or
    float64 tensors without copying where they are contiguous, and computes in their dtype; sums over elements
    are taken in float64. See `_sweeps` and `_dual_sweeps` for the method.

    Args:
        programs: one per loss, at least one.
        threads: number of threads that share the losses. The result does not depend on it, bit for bit.

    Raises:
        ValueError: no programs, or `threads` below 1.

    Example:
        >>> import numpy as np
        >>> from automl_loss.expression.primitive import Opcode
        >>> leaf = np.array([-1, -1])
        >>> product = Program(  # y * f
        ...     opcodes=np.array([Opcode.MUL, Opcode.Y, Opcode.F]),
        ...     left=np.array([1, -1, -1]), right=np.array([2, -1, -1]), constants=np.zeros(3))
        >>> y, f = torch.full((1, 2, 1), 3.0), torch.ones(1, 2, 1)
        >>> CompiledKernel([product]).gradient(f, y, torch.ones(1, 3)).flatten().tolist()
        [3.0, 3.0]
    """

    def __init__(self, programs: Sequence[Program], threads: int = 1) -> None:
        if not programs:
            raise ValueError("CompiledKernel needs at least one program but got none.")
        if threads < 1:
            raise ValueError(f"`threads` must be 1 or more but got {threads}.")
        self._flat = flatten(programs)
        self._threads = min(threads, len(programs))

    def __len__(self) -> int:
        return len(self._flat)

    def value(self, prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """As in `LossKernel`."""
        from automl_loss.engine.kernels import _entries

        result = torch.empty(len(self), *prediction.shape[1:], dtype=prediction.dtype)
        return self._fill(result, _entries.value, weights, prediction, target)

    def gradient(self, prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """As in `LossKernel`."""
        from automl_loss.engine.kernels import _entries

        result = torch.empty(len(self), *prediction.shape[1:], dtype=prediction.dtype)
        return self._fill(result, _entries.gradient, weights, prediction, target)

    def weight_gradient(
        self, prediction: Tensor, target: Tensor, weights: Tensor, direction: Tensor
    ) -> Tensor:
        """As in `LossKernel`."""
        from automl_loss.engine.kernels import _entries

        result = torch.empty(weights.shape, dtype=prediction.dtype)
        self._fill(result, _entries.weight_gradient, weights, prediction, target, direction)
        return result.to(weights.dtype)

    def _fill(self, result: Tensor, entry: Callable[..., int], weights: Tensor, *inputs: Tensor) -> Tensor:
        """Fill `result` by an entry, with the losses divided among the threads."""
        if len(weights) != len(self) or weights.shape[1] < self._flat.weights:
            raise ValueError(
                f"`weights` must be ({len(self)}, {self._flat.weights} or more), "
                f"but got {tuple(weights.shape)}."
            )
        f, y, *u = (_matrix(tensor, inputs[0], len(self)) for tensor in inputs)
        phi = weights.detach().to(result.dtype).contiguous().numpy()
        flat = self._flat
        out = result.flatten(1).numpy()

        def run(first: int, stop: int) -> None:
            entry(flat.table, flat.constants, flat.offsets, flat.longest, first, stop, f, y, phi, *u, out)

        if self._threads == 1:
            run(0, len(self))
        else:
            bounds = [len(self) * i // self._threads for i in range(self._threads + 1)]
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(run, bounds[:-1], bounds[1:]))
        return result


def _matrix(tensor: Tensor, like: Tensor, losses: int) -> npt.NDArray[np.floating[Any]]:
    """View a `(1 or P, batch, outputs)` tensor as a `(1 or P, elements)` array; copied only if not contiguous."""
    if tensor.dtype not in (torch.float32, torch.float64) or tensor.device.type != "cpu":
        raise ValueError(
            f"CompiledKernel takes float32 or float64 tensors on cpu but got {tensor.dtype} on "
            f"{tensor.device}; use `kernel_for(losses, compiled=False)`."
        )
    if (
        tensor.ndim != 3
        or tensor.shape[1:] != like.shape[1:]
        or len(tensor) not in (1, losses)
        or tensor.dtype != like.dtype
    ):
        raise ValueError(
            f"Inputs must be (1 or {losses}, batch, outputs), alike in batch, outputs and dtype, but got "
            f"{tuple(tensor.shape)} {tensor.dtype} beside {tuple(like.shape)} {like.dtype}."
        )
    return tensor.detach().contiguous().flatten(1).numpy()
