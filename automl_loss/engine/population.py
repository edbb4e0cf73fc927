"""P losses on P networks: values and gradients with respect to raw outputs and weights.

Between the losses' own space (f, y) and the network's raw outputs stand the softmax or sigmoid, the mean over the
batch and the scale. They are handled here, once, so that kernels see elementwise functions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from automl_loss.engine.clock import timed
from automl_loss.engine.kernels import kernel_for
from automl_loss.losses.base import Loss
from automl_loss.losses.inputs import prepare
from automl_loss.losses.problem import Problem


@dataclass(frozen=True)
class Compared:
    """What elementwise losses compare, made once of raw outputs that many of them see.

    Args:
        f: `(1 or P, batch, outputs)` predictions.
        y: of one shape with f but for the leading dimension: targets.
    """

    f: Tensor
    y: Tensor


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
    def gradient(self, raw: Tensor, target: Tensor, compared: Compared | None = None) -> Tensor:
        """Derivative of each loss, averaged over its batch, with respect to its raw outputs.

        Args:
            raw: `(P, batch, outputs)`, or `(1, batch, outputs)` shared by all losses. No graph is needed or built.
            target: `(batch,)` or `(batch, outputs)` shared, or with a leading P.
            compared: what `compare` makes of the two, when it is at hand.

        Returns:
            `(P, batch, outputs)`; not finite where a loss is not.
        """
        raw = raw.detach()
        rows = raw.shape[-2]
        if self._kernel is None:
            result = raw.new_empty(len(self), rows, raw.shape[-1])
        else:
            f, y = self._members(compared or self.compare(raw, target))
            pulled = self._pull_back(f, self._kernel.gradient(f, y, self._of_members(self.weights)))
            if not self._families:
                return pulled.mul_((self.scales / rows)[:, None, None])
            result = raw.new_empty(len(self), rows, raw.shape[-1])
            result[self._index] = pulled
        for members, loss in self._families:
            result[members] = self._raw_gradient(loss, members, raw, target)
        return result.mul_((self.scales / rows)[:, None, None])

    @timed("kernels")
    def weight_gradient(
        self, raw: Tensor, target: Tensor, direction: Tensor, compared: Compared | None = None
    ) -> Tensor:
        """Derivative of `<direction, gradient(raw, target)>` with respect to the weights, `(P, K)`.

        Args:
            raw: as in `gradient`.
            target: as in `gradient`.
            direction: `(1, batch, outputs)` or `(P, batch, outputs)`, in the space of raw outputs.
            compared: as in `gradient`.
        """
        if self._kernel is None:
            return torch.zeros_like(self.weights)
        f, y = self._members(compared or self.compare(raw.detach(), target))
        # The Jacobian of softmax (and sigmoid) is symmetric: <u, J d> = <J u, d>.
        along = self._pull_back(f, self._of_members(direction) if len(direction) > 1 else direction)
        gradient = self._kernel.weight_gradient(f, y, self._of_members(self.weights), along)
        gradient *= (self._of_members(self.scales) / raw.shape[-2])[:, None]
        if not self._families:
            return gradient
        result = torch.zeros_like(self.weights)
        result[self._index] = gradient
        return result

    def value(self, raw: Tensor, target: Tensor) -> Tensor:
        """`(P,)` training losses: scale times the mean over the batch of the sum over outputs."""
        raw = raw.detach()
        result = raw.new_empty(len(self))
        if self._kernel is not None:
            f, y = self._members(self.compare(raw, target))
            values = self._kernel.value(f, y, self._of_members(self.weights))
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

    def compare(self, raw: Tensor, target: Tensor) -> Compared:
        """Predictions and targets of raw outputs; see `gradient` for the shapes."""
        f, y = prepare(raw.detach(), target, self.problem.kind, self.problem.output_dim)
        return Compared(f, y if y.ndim == 3 else y[None])

    def _members(self, compared: Compared) -> tuple[Tensor, Tensor]:
        """Predictions and targets of the elementwise losses alone."""
        f, y = compared.f, compared.y
        return (
            f if len(f) == 1 else self._of_members(f),
            y if len(y) == 1 else self._of_members(y),
        )

    def _of_members(self, tensor: Tensor) -> Tensor:
        """The elementwise losses' rows of a tensor with leading dimension P."""
        return tensor[self._index] if self._families else tensor

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
