"""Residual networks for small images: ResNet-18, the same with pre-activation, and wide ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from automl_loss import ModelFactory, PluginConfig, RecipeError

if TYPE_CHECKING:
    from torch import nn

_LEAST = 8


class ResNet18(ModelFactory):
    """ResNet-18 for small images: a 3x3 convolution, then four stages of two blocks; 11,173,962 parameters.

    He et al., "Deep residual learning for image recognition", arXiv 1512.03385; the count is for ten classes of 3x32x32
    images, as are all counts of this package.
    """

    class Config(PluginConfig):
        """Options of ResNet-18."""

        width: PositiveInt = Field(
            64, description="channels of the first stage; each later one has twice as many"
        )

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, channels, height, width)` to `(batch, output_dim)`."""
        from torch import nn

        from autoloss_models._blocks import Residual, average, conv, he_initialised, image_shape, normalised

        channels, _, _ = image_shape(input_shape, "resnet18", _LEAST)
        width = self.config.width
        layers: list[nn.Module] = [conv(channels, width), *normalised(width)]
        inputs = width
        for outputs, first in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
            for stride in (first, 1):
                body = [conv(inputs, outputs, stride=stride), *normalised(outputs), conv(outputs, outputs)]
                same = stride == 1 and inputs == outputs
                shortcut = (
                    nn.Identity()
                    if same
                    else nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
                )
                layers.append(Residual(nn.Sequential(*body, nn.BatchNorm2d(outputs)), shortcut, nn.ReLU()))
                inputs = outputs
        return he_initialised(nn.Sequential(*layers, *average(), nn.Linear(inputs, output_dim)))


class PreResNet18(ModelFactory):
    """ResNet-18 with normalisation and activation before each convolution; 11,171,146 parameters.

    He et al., "Identity mappings in deep residual networks", arXiv 1603.05027, in the form whose count the literature
    gives: no normalisation after the last stage.
    """

    class Config(PluginConfig):
        """Options of the pre-activation ResNet-18."""

        width: PositiveInt = Field(
            64, description="channels of the first stage; each later one has twice as many"
        )

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, channels, height, width)` to `(batch, output_dim)`."""
        from torch import nn

        from autoloss_models._blocks import average, conv, he_initialised, image_shape

        channels, _, _ = image_shape(input_shape, "preresnet18", _LEAST)
        width = self.config.width
        layers: list[nn.Module] = [conv(channels, width)]
        inputs = width
        for outputs, first in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
            for stride in (first, 1):
                layers.append(_pre_activated(inputs, outputs, stride, dropout=0.0))
                inputs = outputs
        return he_initialised(nn.Sequential(*layers, *average(), nn.Linear(inputs, output_dim)))


class WideResNet(ModelFactory):
    """Wide residual network, WRN-28-10 by default: 36,479,194 parameters; WRN-16-4 has 2,748,890.

    Zagoruyko & Komodakis, "Wide residual networks", arXiv 1605.07146.
    """

    class Config(PluginConfig):
        """Options of the wide residual network."""

        depth: PositiveInt = Field(28, description="layers: 4 more than a multiple of 6")
        widen: PositiveInt = Field(10, description="factor on the channels of each stage")
        dropout: float = Field(
            0.0, ge=0, lt=1, description="probability of a drop between a block's convolutions"
        )

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, channels, height, width)` to `(batch, output_dim)`."""
        from torch import nn

        from autoloss_models._blocks import average, conv, he_initialised, image_shape, normalised

        channels, _, _ = image_shape(input_shape, "wideresnet", _LEAST)
        blocks, rest = divmod(self.config.depth - 4, 6)
        if rest or blocks < 1:
            raise RecipeError(
                f"model.depth: a wideresnet has 6 k + 4 layers, got {self.config.depth}; give 10, 16, 22, 28, 40, ..."
            )
        layers: list[nn.Module] = [conv(channels, 16)]
        inputs = 16
        for stage in range(3):
            outputs = 16 * 2**stage * self.config.widen
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                layers.append(_pre_activated(inputs, outputs, stride, self.config.dropout))
                inputs = outputs
        return he_initialised(
            nn.Sequential(*layers, *normalised(inputs), *average(), nn.Linear(inputs, output_dim))
        )


def _pre_activated(inputs: int, outputs: int, stride: int, dropout: float) -> nn.Module:
    """Make two 3x3 convolutions, each after BatchNorm and ReLU."""
    from torch import nn

    from autoloss_models._blocks import PreActivated, conv, normalised

    between: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
    body = [conv(inputs, outputs, stride=stride), *normalised(outputs), *between, conv(outputs, outputs)]
    same = stride == 1 and inputs == outputs
    shortcut = None if same else conv(inputs, outputs, 1, stride)
    return PreActivated(nn.Sequential(*normalised(inputs)), nn.Sequential(*body), shortcut)
