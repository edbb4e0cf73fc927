"""Define `NeuralLoss`, a small network of target and prediction."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from automl_loss.losses.base import Loss, Space
from automl_loss.losses.source import numbers_source

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class NeuralLoss(Loss):
    """A multilayer perceptron of (f, y) with ReLU, no biases and a softplus output, applied elementwise.

    It has no formula and no kernel: autograd differentiates it, over all classes and rows at once.

    Args:
        name: identifies the loss; part of its key.
        hidden: units of the hidden layers.
        weights: the weights of all layers, one layer after the other, each row by row.
        scale: constant factor of the loss.

    Raises:
        ValueError: the number of weights does not match the layers.

    Source: ML3, Bechtle et al., arXiv 1906.05374.
    """

    name: str
    hidden: tuple[int, ...]
    weights: tuple[float, ...] = field(repr=False)
    scale: float = 1.0
    space: Space = field(default="prediction", init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(map(operator.index, self.hidden)))
        object.__setattr__(self, "weights", tuple(map(float, self.weights)))
        object.__setattr__(self, "scale", float(self.scale))
        needed = sum(rows * columns for rows, columns in self._shapes)
        if len(self.weights) != needed:
            raise ValueError(
                f"layers {'-'.join(map(str, self._widths))} need {needed} weights but got {len(self.weights)}."
            )

    @classmethod
    def initial(cls, name: str, hidden: Sequence[int], rng: np.random.Generator) -> Self:
        """Return a loss with normal weights of variance 2 / inputs (He et al., arXiv 1502.01852)."""
        widths = (2, *hidden, 1)
        layers = [rng.normal(0.0, (2.0 / a) ** 0.5, a * b) for a, b in pairwise(widths)]
        return cls(name, tuple(hidden), tuple(np.concatenate(layers).tolist()))

    @property
    def _widths(self) -> tuple[int, ...]:
        return (2, *self.hidden, 1)

    @property
    def _shapes(self) -> list[tuple[int, int]]:
        return [(b, a) for a, b in pairwise(self._widths)]

    @property
    def blank(self) -> bool:
        """True: thousands of steps on the amortised objective, which rewards scale, diverge, so tuning is exact."""
        return True

    def value(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """See `Loss.value`."""
        import torch
        from torch.nn import functional

        if weights is None:
            weights = torch.tensor(self.weights, dtype=prediction.dtype, device=prediction.device)
        values = torch.stack([prediction, target.to(prediction.dtype)], dim=-1)
        place = 0
        for layer, (rows, columns) in enumerate(self._shapes):
            matrix = weights[place : place + rows * columns].reshape(rows, columns)
            values = values @ matrix.T
            if layer < len(self.hidden):
                values = values.relu()
            place += rows * columns
        return functional.softplus(values[..., 0])

    @property
    def key(self) -> str:
        """The name and layers; the weights are left out, as they are tuned."""
        return f"neural({self.name}: {'-'.join(map(str, self._widths))})"

    @property
    def complexity(self) -> int:
        """Number of weights."""
        return len(self.weights)

    def with_weights(self, weights: tuple[float, ...]) -> Self:
        """Return the same layers with other weights."""
        return replace(self, weights=tuple(map(float, weights)))

    def with_scale(self, scale: float) -> Self:
        """Return the same loss with another scale."""
        return replace(self, scale=float(scale))

    def to_json(self) -> dict[str, Any]:
        """Return plain data; floats keep every bit."""
        return {
            "kind": "neural",
            "name": self.name,
            "hidden": list(self.hidden),
            "weights": list(self.weights),
            "scale": self.scale,
        }

    def to_source(self) -> str:
        """See `Loss.to_source`."""
        lines = [
            "values = torch.stack([prediction, target.to(prediction.dtype)], dim=-1)",
            f"weights = prediction.new_tensor([{numbers_source(self.weights, 'weights')}])",
        ]
        place = 0
        for layer, (rows, columns) in enumerate(self._shapes):
            matrix = f"weights[{place}:{place + rows * columns}].reshape({rows}, {columns}).T"
            lines.append(f"values = {'(' if layer < len(self.hidden) else ''}values @ {matrix}"
                         f"{').relu()' if layer < len(self.hidden) else ''}")  # fmt: skip
            place += rows * columns
        return "\n".join([*lines, "return torch.nn.functional.softplus(values[..., 0])"])
