"""A population of losses evaluated by one compiled interpreter, the fast path on CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from automl_loss.engine.kernels._flat import flatten
from automl_loss.engine.kernels.base import LossKernel
from automl_loss.expression.program import Program


class CompiledKernel(LossKernel):
    """Losses with a program, joined into one table that compiled code walks.

    What is compiled is the interpreter, once per installation and dtype, never a loss. It works on float32 or float64
    tensors in place, without copies where they are contiguous, and in their dtype; sums over elements are taken in
    float64. See `_sweeps` for the method.

    Args:
        programs: one per loss, at least one.
        threads: how many threads share the losses. The result does not depend on it, bit for bit.

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
        from automl_loss.engine.kernels import _sweeps

        result = torch.empty(len(self), *prediction.shape[1:], dtype=prediction.dtype)
        self._run(_sweeps.value, [prediction, target], weights, result.view(len(self), -1))
        return result

    def gradient(self, prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """As in `LossKernel`."""
        from automl_loss.engine.kernels import _sweeps

        result = torch.empty(len(self), *prediction.shape[1:], dtype=prediction.dtype)
        self._run(_sweeps.gradient, [prediction, target], weights, result.view(len(self), -1))
        return result

    def weight_gradient(self, prediction: Tensor, target: Tensor, weights: Tensor, direction: Tensor) -> Tensor:
        """As in `LossKernel`."""
        from automl_loss.engine.kernels import _sweeps

        result = torch.zeros(weights.shape, dtype=weights.dtype)
        self._run(_sweeps.weight_gradient, [prediction, target], weights, result, direction)
        return result

    def _run(
        self, sweep: Callable[..., int], inputs: list[Tensor], weights: Tensor, result: Tensor, *more: Tensor
    ) -> None:
        """Have `sweep` fill `result`, the losses divided among the threads."""
        rows = [_matrix(tensor, inputs[0], len(self)) for tensor in (*inputs, *more)]
        if len(weights) != len(self) or weights.shape[1] < self._flat.weights:
            raise ValueError(
                f"`weights` must be ({len(self)}, {self._flat.weights} or more) but its shape is {tuple(weights.shape)}."
            )
        values = weights.detach().to(inputs[0].dtype).contiguous().numpy()
        flat = self._flat
        program = (flat.table, flat.constants, flat.offsets, flat.longest)
        arguments: tuple[Any, ...] = (*rows[:2], values, *rows[2:], result.numpy())
        if self._threads == 1:
            sweep(*program, 0, len(self), *arguments)
            return
        bounds = [len(self) * i // self._threads for i in range(self._threads + 1)]
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(lambda first, stop: sweep(*program, first, stop, *arguments), bounds[:-1], bounds[1:]))


def _matrix(tensor: Tensor, like: Tensor, losses: int) -> Any:
    """A `(1 or P, batch, outputs)` tensor as a `(1 or P, elements)` array on the same memory."""
    if tensor.shape[1:] != like.shape[1:] or len(tensor) not in (1, losses) or tensor.dtype != like.dtype:
        raise ValueError(
            f"Inputs of {losses} losses must be (1 or {losses}, batch, outputs), alike in the last two and in dtype, but "
            f"got {tuple(tensor.shape)} {tensor.dtype} beside {tuple(like.shape)} {like.dtype}."
        )
    return tensor.detach().contiguous().view(len(tensor), -1).numpy()
