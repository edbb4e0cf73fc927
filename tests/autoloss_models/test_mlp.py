from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from autoloss_models.mlp import MLP


def build(input_shape: tuple[int, ...], output_dim: int, **options: object) -> nn.Module:
    return MLP(MLP.Config.model_validate(options)).build(input_shape, output_dim)


def count(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def test_by_default_it_has_two_layers_of_a_thousand_units():
    assert count(build((1, 28, 28), 10)) == 785 * 1000 + 1001 * 1000 + 1001 * 10


@pytest.mark.parametrize("hidden", [[], [7], (7, 5)])
def test_hidden_layers_are_given_as_a_list_or_a_tuple(hidden):
    network = build((2, 3), 4, hidden=hidden)
    sizes = [6, *hidden, 4]
    assert count(network) == sum((a + 1) * b for a, b in pairwise(sizes))
    assert network(torch.zeros(3, 2, 3)).shape == (3, 4)


def test_the_options_come_back_from_json_as_they_were():
    config = MLP.Config.model_validate({"hidden": [100], "dropout": 0.2})
    assert config.hidden == (100,)
    assert MLP.Config.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": ["100"]},
        {"hidden": [0]},
        {"hidden": 100},
        {"hidden": [1.5]},
        {"dropout": 1.0},
        {"activation": "x"},
    ],
)
def test_wrong_options_are_refused(options):
    with pytest.raises(ValidationError):
        MLP.Config.model_validate(options)


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", torch.relu),
        ("tanh", torch.tanh),
        ("gelu", nn.functional.gelu),
        ("silu", lambda z: z * torch.sigmoid(z)),
    ],
)
def test_it_is_linear_maps_with_the_activation_between(activation, function):
    network = build((3,), 2, hidden=[4], activation=activation)
    first, first_bias, second, second_bias = network.parameters()
    x = torch.randn(6, 3)
    expected = function(x @ first.T + first_bias) @ second.T + second_bias
    assert torch.allclose(network(x), expected, atol=1e-6)


def test_dropout_acts_in_training_alone():
    network = build((3,), 2, hidden=[50], dropout=0.5)
    x = torch.randn(6, 3)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_the_same_seed_gives_the_same_parameters():
    def parameters(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return nn.utils.parameters_to_vector(build((6,), 3, hidden=[5]).parameters())

    assert torch.equal(parameters(1), parameters(1))
    assert not torch.equal(parameters(1), parameters(2))
