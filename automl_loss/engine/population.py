"""P losses on P networks: values and gradients with respect to raw outputs and weights.

Between the losses' own space (f, y) and the network's raw outputs stand the softmax or sigmoid, the mean over the
batch and the scale. They are handled here, once, so that kernels see elementwise functions only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from automl_loss.engine.clock import timed
from automl_loss.engine.kernels import kernel_for
from automl_loss.losses.base import Loss
from automl_loss.losses.inputs import prepare
from automl_loss.losses.problem import Problem


class Population:
    """Many losses, differentiated together.

    Args:
        losses: the P losses; their weights and scales are read once, later changes go through `weights`, `scales`.
        problem: kind of the task.
        device: where the tensors live.
        dtype: of raw outputs.
        compiled: whether to use the compiled kernels where a loss has a program.
    """

    def __init__(
        self,
        losses: Sequence[Loss],
        problem: Problem,
        device: torch.device,
        dtype: torch.dtype,
        *,
        compiled: bool = True,
    ) -> None:
        self.losses = tuple(losses)
        self.problem = problem
        self._elementwise = [i for i, loss in enumerate(losses) if loss.space == "prediction"]
        self._families = _families(losses)
        widest = max((len(loss.weights) for loss in losses), default=0)
        self.weights = torch.ones(len(losses), widest, dtype=dtype, device=device)
        for row, loss in zip(self.weights, losses, strict=True):
            row[: len(loss.weights)] = torch.tensor(loss.weights, dtype=torch.float64).to(dtype)
        self.scales = torch.tensor([loss.scale for loss in losses], dtype=torch.float64, device=device).to(
            dtype
        )
        members = [self.losses[i] for i in self._elementwise]
        self._kernel = kernel_for(members, compiled=compiled and device.type == "cpu") if members else None
        self._index = torch.tensor(self._elementwise, dtype=torch.int64, device=device)

    def __len__(self) -> int:
        return len(self.losses)

    @timed("kernels")
    def gradient(self, raw: Tensor, target: Tensor) -> Tensor:
        """Derivative of each loss, averaged over its batch, with respect to its raw outputs.

        Args:
            raw: `(P, batch, outputs)`, or `(1, batch, outputs)` shared by all losses. No graph is needed or built.
            target: `(batch,)` or `(batch, outputs)` shared, or with a leading P.

        Returns:
            `(P, batch, outputs)`; not finite where a loss is not.
        """
        raw = raw.detach()
        rows = raw.shape[-2]
        result = raw.new_empty(len(self), rows, raw.shape[-1])
        if self._kernel is not None:
            inner, labels = self._members(raw, target)
            f, y = prepare(inner, labels, self.problem.kind, self.problem.output_dim)
            weights = self.weights[self._index]
            slopes = self._kernel.gradient(f, self._lead(y), weights)
            result[self._index] = self._pull_back(f, slopes)
        for members, loss in self._families:
            result[members] = self._raw_gradient(loss, members, raw, target)
        return result.mul_((self.scales / rows)[:, None, None])

    @timed("kernels")
    def weight_gradient(self, raw: Tensor, target: Tensor, direction: Tensor) -> Tensor:
        """Derivative of `<direction, gradient(raw, target)>` with respect to the weights, `(P, K)`.

        Args:
            raw: as in `gradient`.
            target: as in `gradient`.
            direction: `(1, batch, outputs)` or `(P, batch, outputs)`, in the space of raw outputs.
        """
        result = torch.zeros_like(self.weights)
        if self._kernel is None:
            return result
        raw = raw.detach()
        inner, labels = self._members(raw, target)
        f, y = prepare(inner, labels, self.problem.kind, self.problem.output_dim)
        if len(direction) > 1:
            direction = direction[self._index]
        # The Jacobian of softmax (and sigmoid) is symmetric: <u, J d> = <J u, d>.
        along = self._pull_back(f, direction)
        gradient = self._kernel.weight_gradient(f, self._lead(y), self.weights[self._index], along)
        result[self._index] = gradient * (self.scales[self._index] / raw.shape[-2])[:, None]
        return result

    def value(self, raw: Tensor, target: Tensor) -> Tensor:
        """`(P,)` training losses: scale times the mean over the batch of the sum over outputs."""
        raw = raw.detach()
        result = raw.new_empty(len(self))
        if self._kernel is not None:
            inner, labels = self._members(raw, target)
            f, y = prepare(inner, labels, self.problem.kind, self.problem.output_dim)
            values = self._kernel.value(f, self._lead(y), self.weights[self._index])
            result[self._index] = values.sum(-1).mean(-1)
        for members, loss in self._families:
            for i in members:
                values = loss.value(_row(raw, i), self._row_target(target, i))
                result[i] = values.reshape(len(values), -1).sum(-1).mean()
        return result * self.scales

    def tuned(self) -> list[Loss]:
        """The losses with the present weights and scales."""
        rows = self.weights.double().tolist()
        scales = self.scales.double().tolist()
        return [
            loss.with_weights(tuple(row[: len(loss.weights)])).with_scale(scale)
            for loss, row, scale in zip(self.losses, rows, scales, strict=True)
        ]

    def _pull_back(self, f: Tensor, slopes: Tensor) -> Tensor:
        """Gradient with respect to raw outputs from one with respect to predictions."""
        if self.problem.kind == "multiclass":
            return f * (slopes - (f * slopes).sum(-1, keepdim=True))
        if self.problem.kind == "binary":
            return slopes * f * (1.0 - f)
        return slopes

    def _members(self, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Raw outputs and targets of the elementwise losses alone."""
        if len(raw) == 1 or len(self._elementwise) == len(self):
            return raw, target
        leading = target.ndim - (1 if self.problem.is_classification else 2)
        return raw[self._index], target[self._index] if leading else target

    def _lead(self, y: Tensor) -> Tensor:
        return y if y.ndim == 3 else y[None]

    def _row_target(self, target: Tensor, i: int) -> Tensor:
        leading = target.ndim - (1 if self.problem.is_classification else 2)
        return target[i] if leading else target

    def _raw_gradient(self, loss: Loss, members: list[int], raw: Tensor, target: Tensor) -> Tensor:
        """Gradients of one handcrafted loss on several networks at once: its rows do not depend on each other."""
        if len(raw) == 1:
            return self._differentiate(loss, raw[0], self._row_target(target, members[0]))
        own = raw[members].flatten(0, 1)
        targets = torch.stack([self._row_target(target, i) for i in members]).flatten(0, 1)
        return self._differentiate(loss, own, targets).view(len(members), *raw.shape[1:])

    @staticmethod
    def _differentiate(loss: Loss, raw: Tensor, target: Tensor) -> Tensor:
        leaf = raw.detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(loss.value(leaf, target).sum(), leaf)
        return gradient


def _row(raw: Tensor, i: int) -> Tensor:
    return raw[0] if len(raw) == 1 else raw[i]


def _families(losses: Sequence[Loss]) -> list[tuple[list[int], Loss]]:
    """Handcrafted losses that differ in scale at most, with their places."""
    families: dict[Loss, list[int]] = {}
    for i, loss in enumerate(losses):
        if loss.space == "raw":
            families.setdefault(loss.with_scale(1.0), []).append(i)
    return [(members, loss) for loss, members in families.items()]
