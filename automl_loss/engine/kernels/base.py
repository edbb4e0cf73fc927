"""Define `LossKernel`, the interface for differentiating many losses at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class LossKernel(ABC):
    """Value and derivatives of P elementwise losses (`space == "prediction"`), without scale or reduction.

    Shapes: `prediction` is `(P, batch, outputs)`, or `(1, batch, outputs)` when all losses see the same; `target` is
    `(1, batch, outputs)` or `(P, batch, outputs)`, the same dtype. `weights` is `(P, K)`, K the largest number of
    weights, rows padded with ones. Results are detached. No loss's result depends on another's: a loss that gives
    NaN changes no bit of the others' results.
    """

    @abstractmethod
    def value(self, prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """Return `(P, batch, outputs)` values L(f, y; phi)."""

    @abstractmethod
    def gradient(self, prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """Return `(P, batch, outputs)` derivatives dL/df."""

    @abstractmethod
    def weight_gradient(
        self, prediction: Tensor, target: Tensor, weights: Tensor, direction: Tensor
    ) -> Tensor:
        """Return `(P, K)` derivatives d/dphi of the sum over elements of `direction * dL/df`; zero in the padding.

        `direction` is `(1, batch, outputs)` or `(P, batch, outputs)`. This is the meta-gradient's inner part: a second
        derivative of the loss alone, never of the network.
        """
