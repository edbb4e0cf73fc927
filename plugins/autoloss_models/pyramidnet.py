"""Pyramidal residual networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from automl_loss import ModelFactory, PluginConfig, RecipeError

if TYPE_CHECKING:
    from torch import nn


class PyramidNet(ModelFactory):
    """Residual network whose channels grow a little in every block; PyramidNet-110 (alpha 48): 1,772,706 parameters.

    Han et al., "Deep pyramidal residual networks", arXiv 1610.02915, with basic blocks.
    """

    class Config(PluginConfig):
        """Options of the pyramidal network."""

        depth: PositiveInt = Field(110, description="layers: 2 more than a multiple of 6")
        alpha: PositiveInt = Field(48, description="channels that are added from the first block to the last")

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, channels, height, width)` to `(batch, output_dim)`."""
        from torch import nn

        from autoloss_models._blocks import (
            Padded,
            Residual,
            average,
            conv,
            he_initialised,
            image_shape,
            normalised,
        )

        channels, _, _ = image_shape(input_shape, "pyramidnet", 8)
        blocks, rest = divmod(self.config.depth - 2, 6)
        if rest or blocks < 1:
            raise RecipeError(
                f"model.depth: a pyramidnet has 6 k + 2 layers, got {self.config.depth}; give 8, 20, 110, 164, ..."
            )
        layers: list[nn.Module] = [conv(channels, 16), nn.BatchNorm2d(16)]
        inputs = 16
        for block in range(3 * blocks):
            outputs = round(16 + self.config.alpha * (block + 1) / (3 * blocks))
            stride = 2 if block in (blocks, 2 * blocks) else 1
            body = nn.Sequential(
                nn.BatchNorm2d(inputs), conv(inputs, outputs, stride=stride), *normalised(outputs),
                conv(outputs, outputs), nn.BatchNorm2d(outputs),
            )  # fmt: skip
            layers.append(Residual(body, Padded(outputs - inputs, stride), nn.Identity()))
            inputs = outputs
        return he_initialised(
            nn.Sequential(*layers, *normalised(inputs), *average(), nn.Linear(inputs, output_dim))
        )
