"""Model LeNet-5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_loss import ModelFactory

if TYPE_CHECKING:
    from torch import nn


class LeNet5(ModelFactory):
    """LeNet-5 for images of 12x12 points or more: two convolutions with pooling, then three dense layers.

    In the form now usual: ReLU and maximum pooling, the first convolution padded for 28x28 images and below, after
    LeCun et al., "Gradient-based learning applied to document recognition", 1998. 61,706 parameters for ten classes
    of 1x28x28 images.
    """

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, channels, height, width)` to `(batch, output_dim)`."""
        from torch import nn

        from autoloss_models._blocks import image_shape

        channels, height, width = image_shape(input_shape, "lenet5", 12)
        padding = 2 if min(height, width) <= 28 else 0
        sides = [((side + 2 * padding - 4) // 2 - 4) // 2 for side in (height, width)]
        return nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * sides[0] * sides[1], 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, output_dim),
        )  # fmt: skip
