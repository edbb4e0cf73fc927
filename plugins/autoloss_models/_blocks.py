"""Building blocks of the convolutional networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from automl_loss import EvaluationError


def image_shape(input_shape: tuple[int, ...], model: str, least: int) -> tuple[int, int, int]:
    """Return channels, height and width of a task's inputs.

    Raises:
        EvaluationError: they are not images, or smaller than `least` points a side.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < least:
        raise EvaluationError(
            f"model {model} takes images (channels, height, width) of {least}x{least} points or more, and this task's "
            f"inputs have shape {tuple(input_shape)}; choose another model, such as mlp."
        )
    channels, height, width = input_shape
    return channels, height, width


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    """Make a convolution without bias, for use with BatchNorm, padded to keep the image's size at stride 1."""
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


def activated(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> list[nn.Module]:
    """Make a convolution with bias, then ReLU."""
    return [nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2), nn.ReLU()]


def normalised(channels: int) -> list[nn.Module]:
    """Make BatchNorm, then ReLU."""
    return [nn.BatchNorm2d(channels), nn.ReLU()]


def average() -> list[nn.Module]:
    """Make layers that compute the mean of each channel."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten()]


class Residual(nn.Module):
    """x -> after(body(x) + shortcut(x)) (He et al., arXiv 1512.03385)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.after = body, shortcut, after

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, channels, height, width)` to the body's shape."""
        result: Tensor = self.after(self.body(x) + self.shortcut(x))
        return result


class PreActivated(nn.Module):
    """x -> body(h) + shortcut(h), h = before(x); without a shortcut of its own x itself is added (arXiv 1603.05027)."""

    def __init__(self, before: nn.Module, body: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.before, self.body, self.shortcut = before, body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, channels, height, width)` to the body's shape."""
        h = self.before(x)
        kept: Tensor = x if self.shortcut is None else self.shortcut(h)
        result: Tensor = self.body(h) + kept
        return result


class Padded(nn.Module):
    """A shortcut without parameters: average pooling by `stride`, and zeros for the added channels."""

    def __init__(self, added: int, stride: int) -> None:
        super().__init__()
        self.added, self.stride = added, stride

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, channels, height, width)` to `added` more channels."""
        if self.stride > 1:
            x = functional.avg_pool2d(x, self.stride, ceil_mode=True)
        return torch.cat([x, x.new_zeros(()).expand(x.shape[0], self.added, *x.shape[2:])], dim=1)


class Fire(nn.Module):
    """SqueezeNet's module: 1x1 convolutions narrow the channels; 1x1 and 3x3 ones, side by side, widen them."""

    def __init__(self, inputs: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(*activated(inputs, narrow, 1))
        self.points = nn.Sequential(*activated(narrow, wide, 1))
        self.squares = nn.Sequential(*activated(narrow, wide, 3))

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, inputs, height, width)` to `(batch, 2 * wide, height, width)`."""
        h = self.squeeze(x)
        return torch.cat([self.points(h), self.squares(h)], dim=1)


def he_initialised(network: nn.Module) -> nn.Module:
    """Draw the convolutions' weights as He et al. do (arXiv 1502.01852): normal, variance 2 / (outputs times area)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
