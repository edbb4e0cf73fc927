"""Convolutional networks without shortcuts, in the form for small images: AlexNet, VGG-16, All-CNN-C, SqueezeNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from automl_loss import ModelFactory, PluginConfig

if TYPE_CHECKING:
    from torch import nn


class AlexNet(ModelFactory):
    """AlexNet for small images: five convolutions and one dense layer; 2,472,266 parameters.

    Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012, without the two large
    dense layers, as is usual on CIFAR.
    """

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, channels, height, width)` to `(batch, output_dim)`."""
        from torch import nn

        from autoloss_models._blocks import activated, average, image_shape

        channels, _, _ = image_shape(input_shape, "alexnet", 28)
        return nn.Sequential(
            nn.Conv2d(channels, 64, 11, stride=4, padding=5), nn.ReLU(), nn.MaxPool2d(2),
            *activated(64, 192, 5), nn.MaxPool2d(2, ceil_mode=True),
            *activated(192, 384), *activated(384, 256), *activated(256, 256),
            *average(), nn.Linear(256, output_dim),
        )  # fmt: skip


class VGG16(ModelFactory):
    """VGG-16 for small images, with BatchNorm: thirteen convolutions and one dense layer; 14,728,266 parameters.

    Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", arXiv 1409.1556.
    """

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, channels, height, width)` to `(batch, output_dim)`."""
        from torch import nn

        from autoloss_models._blocks import average, he_initialised, image_shape, normalised

        inputs, _, _ = image_shape(input_shape, "vgg16", 16)
        layers: list[nn.Module] = []
        for outputs, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(count):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *normalised(outputs)]
                inputs = outputs
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        return he_initialised(nn.Sequential(*layers, *average(), nn.Linear(inputs, output_dim)))


class AllCNNC(ModelFactory):
    """All-CNN-C: convolutions alone, two of them with stride in place of pooling; 1,369,738 parameters.

    Springenberg et al., "Striving for simplicity: the all convolutional net", arXiv 1412.6806.
    """

    class Config(PluginConfig):
        """Options of All-CNN-C."""

        dropout: float = Field(
            0.0,
            ge=0,
            lt=1,
            description="probability of a drop after each convolution with stride (0.5 in the paper)",
        )

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, channels, height, width)` to `(batch, output_dim)`."""
        from torch import nn

        from autoloss_models._blocks import activated, average, he_initialised, image_shape

        channels, _, _ = image_shape(input_shape, "allcnn-c", 8)
        rate = self.config.dropout
        drop: list[list[nn.Module]] = [[nn.Dropout(rate)] if rate else [] for _ in range(2)]
        return he_initialised(nn.Sequential(
            *activated(channels, 96), *activated(96, 96), *activated(96, 96, stride=2), *drop[0],
            *activated(96, 192), *activated(192, 192), *activated(192, 192, stride=2), *drop[1],
            *activated(192, 192), *activated(192, 192, 1), nn.Conv2d(192, output_dim, 1),
            *average(),
        ))  # fmt: skip


class SqueezeNet(ModelFactory):
    """SqueezeNet for small images: eight modules that narrow before they widen; 729,034 parameters.

    Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", arXiv 1602.07360, with a first
    convolution of 3x3 points and stride 1.
    """

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network from `(batch, channels, height, width)` to `(batch, output_dim)`."""
        from torch import nn

        from autoloss_models._blocks import Fire, activated, average, he_initialised, image_shape

        channels, _, _ = image_shape(input_shape, "squeezenet", 8)
        pool = [nn.MaxPool2d(2, ceil_mode=True) for _ in range(3)]
        return he_initialised(nn.Sequential(
            *activated(channels, 96), pool[0],
            Fire(96, 16, 64), Fire(128, 16, 64), Fire(128, 32, 128), pool[1],
            Fire(256, 32, 128), Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), pool[2],
            Fire(512, 64, 256), nn.Conv2d(512, output_dim, 1), *average(),
        ))  # fmt: skip
