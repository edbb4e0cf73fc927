"""Model `mlp`, a multilayer perceptron."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from automl_loss import ModelFactory, PluginConfig

if TYPE_CHECKING:
    from torch import nn


class MLP(ModelFactory):
    """Fully connected layers on the flattened input, by default two of 1,000 units."""

    class Config(PluginConfig):
        """Options of the MLP."""

        # Not strict, so that a list of a YAML or JSON file is accepted for a tuple; its items are strict.
        hidden: tuple[PositiveInt, ...] = Field(
            (1000, 1000), strict=False, description="units of each hidden layer"
        )
        activation: Literal["relu", "tanh", "gelu", "silu"] = Field(
            "relu", description="after each hidden layer"
        )
        dropout: float = Field(
            0.0, ge=0, lt=1, description="probability that a hidden unit is dropped in training"
        )

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, *input_shape)` to `(batch, output_dim)`."""
        from torch import nn

        activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}[
            self.config.activation
        ]
        layers: list[nn.Module] = [nn.Flatten()]
        units = prod(input_shape)
        for width in self.config.hidden:
            layers += [nn.Linear(units, width), activation()]
            if self.config.dropout:
                layers.append(nn.Dropout(self.config.dropout))
            units = width
        return nn.Sequential(*layers, nn.Linear(units, output_dim))
