from __future__ import annotations

import pytest
import torch
from support.engines import Factory
from torch import Tensor, nn

from automl_loss import Problem
from automl_loss.engine.network.layers import Layers
from automl_loss.engine.network.network import Network


def chain(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 5), *parts)


CHAINS = {
    "linear": lambda: nn.Sequential(nn.Linear(6, 3)),
    "relu": lambda: chain(nn.ReLU(), nn.Linear(5, 3)),
    "tanh": lambda: chain(nn.Tanh(), nn.Linear(5, 4, bias=False), nn.ReLU(), nn.Linear(4, 3)),
    "nested": lambda: nn.Sequential(nn.Flatten(), chain(nn.ReLU()), nn.Dropout(0.0), nn.Linear(5, 3)),
    "two in a row": lambda: chain(nn.Linear(5, 3), nn.Tanh()),
    "activations in a row": lambda: chain(nn.Tanh(), nn.ReLU(), nn.Linear(5, 3)),
}


def network(make: object) -> Network:
    problem = Problem.classification((6,), 3)
    return Network(Factory(lambda inputs, outputs: make()), problem, torch.device("cpu"), torch.float64)


def by_autograd(
    net: Network, theta: Tensor, x: Tensor, slopes: Tensor, shared: bool
) -> tuple[Tensor, Tensor]:
    leaves = net.leaves(theta)
    raw = net.forward(leaves, {}, x, shared=shared, train=True)
    return raw.detach(), net.flatten(torch.autograd.grad(raw, leaves, slopes))


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("shared", [True, False])
def test_outputs_and_gradients_are_autograds(name: str, width: int, shared: bool) -> None:
    net = network(CHAINS[name])
    assert Layers.of(net.module, (6,)) is not None
    state = net.initial(0).expand(width)
    state.theta.add_(torch.randn(state.theta.shape, dtype=torch.float64) * 0.3)
    x = torch.randn(*([] if shared else [width]), 7, 6, dtype=torch.float64)
    slopes = torch.randn(width, 7, 3, dtype=torch.float64)
    raw, pull_back = net.differentiable(state, x, shared=shared)
    expected = by_autograd(net, state.theta, x, slopes, shared)
    torch.testing.assert_close(raw, expected[0])
    torch.testing.assert_close(torch.cat([part.flatten(1) for part in pull_back(slopes)], dim=1), expected[1])
    if shared:
        torch.testing.assert_close(net.outputs(state, x), expected[0])


class Wider(nn.Linear):
    """A layer whose own code could be anything."""


def hooked() -> nn.Module:
    module = chain(nn.ReLU(), nn.Linear(5, 3))
    module[0].register_forward_hook(lambda *_: None)
    return module


def shared_layer() -> nn.Module:
    layer = nn.Linear(6, 6)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(6, 3))


def frozen() -> nn.Module:
    module = chain(nn.ReLU(), nn.Linear(5, 3))
    module[0].weight.requires_grad_(False)
    return module


@pytest.mark.parametrize(
    "make",
    [
        lambda: chain(nn.GELU(), nn.Linear(5, 3)),
        lambda: chain(nn.Dropout(0.5), nn.Linear(5, 3)),
        lambda: chain(nn.BatchNorm1d(5), nn.Linear(5, 3)),
        lambda: nn.Sequential(Wider(6, 3)),
        lambda: nn.Sequential(nn.ReLU(), nn.Linear(6, 3)),
        hooked,
        shared_layer,
        frozen,
    ],
)
def test_any_other_network_is_no_chain(make: object) -> None:
    assert Layers.of(make(), (6,)) is None


def test_rows_of_several_dimensions_need_a_flattening_first() -> None:
    assert Layers.of(nn.Sequential(nn.Linear(3, 3)), (2, 3)) is None
    assert Layers.of(nn.Sequential(nn.Flatten(), nn.Linear(6, 3)), (2, 3)) is not None


def test_inputs_stay_as_they_are() -> None:
    net = network(CHAINS["relu"])
    x = -torch.ones(7, 6, dtype=torch.float64)
    net.differentiable(net.initial(0), x, shared=True)
    assert bool((x == -1).all())
