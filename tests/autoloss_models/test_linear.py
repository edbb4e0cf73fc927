from __future__ import annotations

import torch

from autoloss_models.linear import LinearModel


def test_it_is_one_linear_map_of_the_flattened_input():
    network = LinearModel(LinearModel.Config()).build((2, 3), 4)
    weight, bias = network.parameters()
    x = torch.randn(5, 2, 3)
    assert torch.allclose(network(x), torch.einsum("bij,oij->bo", x, weight.view(4, 2, 3)) + bias, atol=1e-6)


def test_the_same_seed_gives_the_same_parameters():
    def parameters(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.nn.utils.parameters_to_vector(
            LinearModel(LinearModel.Config()).build((6,), 3).parameters()
        )

    assert torch.equal(parameters(1), parameters(1))
    assert not torch.equal(parameters(1), parameters(2))
