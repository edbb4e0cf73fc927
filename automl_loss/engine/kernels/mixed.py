"""Define `MixedKernel`, which combines the kernels of several kinds of losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from automl_loss.engine.kernels.base import LossKernel


class MixedKernel(LossKernel):
    """Passes each loss's inputs to the kernel that holds it, and returns the results in order.

    Args:
        parts: kernels, each with the indices of its losses in the population; every index occurs once.
    """

    def __init__(self, parts: Sequence[tuple[LossKernel, Sequence[int]]]) -> None:
        self._parts = [(kernel, torch.tensor(places, dtype=torch.int64)) for kernel, places in parts]

    def value(self, prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """As in `LossKernel`."""
        result = prediction.new_empty(len(weights), *prediction.shape[1:])
        return self._gather(result, lambda kernel: kernel.value, (prediction, target, weights))

    def gradient(self, prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """As in `LossKernel`."""
        result = prediction.new_empty(len(weights), *prediction.shape[1:])
        return self._gather(result, lambda kernel: kernel.gradient, (prediction, target, weights))

    def weight_gradient(
        self, prediction: Tensor, target: Tensor, weights: Tensor, direction: Tensor
    ) -> Tensor:
        """As in `LossKernel`."""
        inputs = (prediction, target, weights, direction)
        return self._gather(torch.zeros_like(weights), lambda kernel: kernel.weight_gradient, inputs)

    def _gather(
        self,
        result: Tensor,
        method: Callable[[LossKernel], Callable[..., Tensor]],
        inputs: tuple[Tensor, ...],
    ) -> Tensor:
        population = len(result)
        for kernel, places in self._parts:
            index = places.to(result.device)
            own = [tensor[index] if len(tensor) == population > 1 else tensor for tensor in inputs]
            result[index] = method(kernel)(*own)
        return result
