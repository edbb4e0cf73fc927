"""SGD and AdamW on P networks at once, each with its own learning rate.

Step for step what `torch.optim` does on each network alone; the state is `(P, parameters)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from automl_loss.engine.settings import TrainingSettings


class StackedOptimizer(ABC):
    """Changes `theta` in place by its gradient."""

    @abstractmethod
    def step(self, theta: Tensor, gradients: Sequence[Tensor], lr: Tensor) -> None:
        """One step.

        Args:
            theta: `(P, parameters)`, changed in place.
            gradients: tensors `(P, ...)` that, flattened and side by side, have the shape of `theta`; they may be
                used as scratch space.
            lr: `(P, 1)` learning rates.
        """

    def keep(self, rows: Tensor) -> None:
        """Go on with the networks that the `(P,)` mask `rows` chooses, and forget the others."""
        vars(self).update(
            {name: value[rows] for name, value in vars(self).items() if isinstance(value, Tensor)}
        )


class StackedSGD(StackedOptimizer):
    """SGD with momentum, Nesterov momentum and L2 weight decay, as `torch.optim.SGD`."""

    def __init__(self, momentum: float, nesterov: bool, weight_decay: float) -> None:
        self._momentum = momentum
        self._nesterov = nesterov and momentum > 0
        self._weight_decay = weight_decay
        self._velocity: Tensor | None = None

    def step(self, theta: Tensor, gradients: Sequence[Tensor], lr: Tensor) -> None:
        """See `StackedOptimizer.step`."""
        if self._momentum and self._velocity is None:
            self._velocity = torch.zeros_like(theta)
        if theta.device.type == "cpu" and theta.dtype in (torch.float32, torch.float64):
            self._step_in_one_pass(theta, gradients, lr)
        else:
            self._step_by_operations(theta, _side_by_side(gradients), lr)

    def _step_in_one_pass(self, theta: Tensor, gradients: Sequence[Tensor], lr: Tensor) -> None:
        from automl_loss.engine.training._sgd import sgd

        values, rates, start = theta.numpy(), lr.flatten().numpy(), 0
        # Without momentum the velocity is scratch space: it is never read with a weight.
        velocity = self._velocity if self._velocity is not None else torch.zeros_like(theta)
        for gradient in gradients:
            part = gradient.detach().reshape(len(theta), -1).numpy()
            sgd(
                values,
                velocity.numpy(),
                part,
                start,
                rates,
                self._momentum,
                self._nesterov,
                self._weight_decay,
            )
            start += part.shape[1]

    def _step_by_operations(self, theta: Tensor, gradient: Tensor, lr: Tensor) -> None:
        if self._weight_decay:
            gradient.add_(theta, alpha=self._weight_decay)
        if self._momentum:
            assert self._velocity is not None
            self._velocity.mul_(self._momentum).add_(gradient)
            if self._nesterov:
                gradient.add_(self._velocity, alpha=self._momentum)
            else:
                gradient = self._velocity
        theta.addcmul_(gradient, lr, value=-1.0)


class StackedAdamW(StackedOptimizer):
    """Adam with decoupled weight decay, as `torch.optim.AdamW` (Loshchilov & Hutter, arXiv 1711.05101)."""

    def __init__(self, betas: tuple[float, float], weight_decay: float, epsilon: float = 1e-8) -> None:
        self._betas = betas
        self._weight_decay = weight_decay
        self._epsilon = epsilon
        self._steps = 0
        self._mean: Tensor | None = None
        self._square: Tensor | None = None

    def step(self, theta: Tensor, gradients: Sequence[Tensor], lr: Tensor) -> None:
        """See `StackedOptimizer.step`."""
        gradient = _side_by_side(gradients)
        if self._mean is None or self._square is None:
            self._mean, self._square = torch.zeros_like(theta), torch.zeros_like(theta)
        self._steps += 1
        first, second = self._betas
        if self._weight_decay:
            theta.mul_(1.0 - lr * self._weight_decay)
        self._mean.lerp_(gradient, 1.0 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1.0 - second)
        denominator = self._square.sqrt().div_((1.0 - second**self._steps) ** 0.5).add_(self._epsilon)
        update = denominator.reciprocal_().mul_(self._mean)
        theta.addcmul_(update, lr, value=-1.0 / (1.0 - first**self._steps))


def _side_by_side(gradients: Sequence[Tensor]) -> Tensor:
    """`(P, parameters)` of the parts' gradients."""
    flat = [gradient.detach().flatten(1) for gradient in gradients]
    return flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)


def make_optimizer(settings: TrainingSettings) -> StackedOptimizer:
    """The optimiser that the training settings name."""
    if settings.optimizer == "sgd":
        return StackedSGD(settings.momentum, settings.nesterov, settings.weight_decay)
    return StackedAdamW(settings.betas, settings.weight_decay)


def adam() -> StackedOptimizer:
    """Adam at its usual settings, as `torch.optim.Adam` (whose first use imports torch's compiler)."""
    return StackedAdamW(betas=(0.9, 0.999), weight_decay=0.0)


def first_step_rate(settings: TrainingSettings, lr: float) -> float:
    """Length `a` of the first step along the (decayed) gradient: theta1 = theta0 - a (gradient + decay theta0).

    Nesterov momentum applies the first gradient twice over, lr (1 + momentum); plain momentum once. For AdamW, whose
    first step is nearly the gradient's sign and so hardly depends on the loss, tuning takes a plain step of length lr.
    """
    if settings.optimizer == "sgd" and settings.nesterov:
        return lr * (1.0 + settings.momentum)
    return lr
