"""Differentiate losses by torch's autograd, one by one: for every elementwise loss, on every device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from automl_loss.engine.kernels.base import LossKernel
from automl_loss.losses.base import Loss


class ReferenceKernel(LossKernel):
    """The slow and general kernel, which the compiled one is tested against.

    Args:
        losses: the P losses, all with `space == "prediction"`.

    Raises:
        ValueError: a loss compares raw outputs, whose target has another shape.
    """

    def __init__(self, losses: Sequence[Loss]) -> None:
        for loss in losses:
            if loss.space != "prediction":
                raise ValueError(
                    f"Loss kernels evaluate losses of predictions but {loss.key} has space {loss.space!r}; "
                    "call its `value` on raw outputs instead."
                )
        self._losses = tuple(losses)

    def __len__(self) -> int:
        return len(self._losses)

    def value(self, prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """As in `LossKernel`."""
        result = prediction.new_empty(len(self), *prediction.shape[1:])
        with torch.no_grad():
            for p, loss, f, y, phi in self._rows(prediction, target, weights):
                result[p] = loss.value(f, y, phi)
        return result

    def gradient(self, prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """As in `LossKernel`."""
        result = prediction.new_empty(len(self), *prediction.shape[1:])
        with torch.enable_grad():
            for p, loss, f, y, phi in self._rows(prediction, target, weights):
                f = f.requires_grad_()
                result[p] = _derivative(loss.value(f, y, phi).sum(), f)
        return result

    def weight_gradient(
        self, prediction: Tensor, target: Tensor, weights: Tensor, direction: Tensor
    ) -> Tensor:
        """As in `LossKernel`."""
        result = torch.zeros_like(weights)
        with torch.enable_grad():
            for p, loss, f, y, phi in self._rows(prediction, target, weights):
                f, phi = f.requires_grad_(), phi.requires_grad_()
                slope = _derivative(loss.value(f, y, phi).sum(), f, create_graph=True)
                u = direction[p % len(direction)].detach()
                result[p, : len(phi)] = _derivative((slope * u).sum(), phi)
        return result

    def _rows(
        self, prediction: Tensor, target: Tensor, weights: Tensor
    ) -> Iterator[tuple[int, Loss, Tensor, Tensor, Tensor]]:
        """Yield index, loss, prediction, target and weights of each loss, detached from other graphs."""
        for p, loss in enumerate(self._losses):
            f = prediction[p % len(prediction)].detach()
            y = target[p % len(target)].detach()
            yield p, loss, f, y, weights[p, : len(loss.weights)].detach().clone()


def _derivative(total: Tensor, by: Tensor, create_graph: bool = False) -> Tensor:
    """Return the gradient of a scalar, zeros where it does not depend on `by`."""
    if not total.requires_grad:
        return torch.zeros_like(by)
    (gradient,) = torch.autograd.grad(total, by, create_graph=create_graph, allow_unused=True)
    return torch.zeros_like(by) if gradient is None else gradient
