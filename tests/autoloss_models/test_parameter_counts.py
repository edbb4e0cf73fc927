"""The paper's models have the parameters that the literature counts, for ten classes."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from autoloss_models.lenet5 import LeNet5
from autoloss_models.plain_convolutional import VGG16, AlexNet, AllCNNC, SqueezeNet
from autoloss_models.pyramidnet import PyramidNet
from autoloss_models.resnet import PreResNet18, ResNet18, WideResNet
from automl_loss import EvaluationError, ModelFactory, RecipeError

COLOUR, GREY = (3, 32, 32), (1, 28, 28)


def conv(inputs: int, outputs: int, size: int) -> int:
    return (inputs * size * size + 1) * outputs


def fire(inputs: int, narrow: int, wide: int) -> int:
    return conv(inputs, narrow, 1) + conv(narrow, wide, 1) + conv(narrow, wide, 3)


ALEXNET = (
    conv(3, 64, 11) + conv(64, 192, 5) + conv(192, 384, 3) + conv(384, 256, 3) + conv(256, 256, 3) + 257 * 10
)
STAGES = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
# BatchNorm has two parameters a channel.
VGG16_COUNT = sum(conv(a, b, 3) + 2 * b for a, b in pairwise(STAGES)) + 513 * 10
FIRES = [
    (96, 16, 64),
    (128, 16, 64),
    (128, 32, 128),
    (256, 32, 128),
    (256, 48, 192),
    (384, 48, 192),
    (384, 64, 256),
]
SQUEEZENET = conv(3, 96, 3) + sum(fire(*sizes) for sizes in [*FIRES, (512, 64, 256)]) + conv(512, 10, 1)


@pytest.mark.parametrize(
    ("kind", "options", "shape", "count"),
    [
        (LeNet5, {}, GREY, 61_706),
        (AlexNet, {}, COLOUR, ALEXNET),
        (VGG16, {}, COLOUR, VGG16_COUNT),
        (AllCNNC, {}, COLOUR, 1_369_738),
        (SqueezeNet, {}, COLOUR, SQUEEZENET),
        (ResNet18, {}, COLOUR, 11_173_962),
        (PreResNet18, {}, COLOUR, 11_171_146),
        (WideResNet, {}, COLOUR, 36_479_194),
        (WideResNet, {"depth": 16, "widen": 4}, COLOUR, 2_748_890),
        (PyramidNet, {}, COLOUR, 1_772_706),
    ],
)
def test_it_has_as_many_parameters_as_published(
    kind: type[ModelFactory], options: dict[str, int], shape: tuple[int, ...], count: int
) -> None:
    with torch.device("meta"):
        network = kind(kind.Config(**options)).build(shape, 10)
        assert network(torch.zeros(2, *shape)).shape == (2, 10)
    assert sum(value.numel() for value in network.parameters()) == count


@pytest.mark.parametrize(
    "kind", [LeNet5, AllCNNC, SqueezeNet, ResNet18, PreResNet18, WideResNet, PyramidNet, AlexNet, VGG16]
)
@pytest.mark.parametrize("shape", [(7,), (64,), (1, 4, 4)])
def test_what_is_no_image_or_too_small_a_one_is_refused_with_the_least_size(
    kind: type[ModelFactory], shape: tuple[int, ...]
) -> None:
    with pytest.raises(
        EvaluationError, match=r"takes images .* of (\d+)x\1 points or more.*choose another model"
    ):
        kind(kind.Config()).build(shape, 10)


@pytest.mark.parametrize("kind", [AllCNNC, SqueezeNet, ResNet18, PreResNet18, PyramidNet, AlexNet, VGG16])
def test_grey_images_of_28_points_will_do(kind: type[ModelFactory]) -> None:
    with torch.device("meta"):
        assert kind(kind.Config()).build(GREY, 7)(torch.zeros(2, *GREY)).shape == (2, 7)


@pytest.mark.parametrize(
    ("kind", "depth"), [(WideResNet, 20), (WideResNet, 4), (PyramidNet, 100), (PyramidNet, 2)]
)
def test_a_depth_that_does_not_divide_into_blocks_is_refused(kind: type[ModelFactory], depth: int) -> None:
    with pytest.raises(RecipeError, match=rf"model\.depth: .* got {depth}; give "):
        kind(kind.Config(depth=depth)).build(COLOUR, 10)
