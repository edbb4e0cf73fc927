"""Model `linear`, one linear layer."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from automl_loss import ModelFactory

if TYPE_CHECKING:
    from torch import nn


class LinearModel(ModelFactory):
    """One linear layer on the flattened input: softmax, logistic or linear regression."""

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, *input_shape)` to `(batch, output_dim)`."""
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), output_dim))
