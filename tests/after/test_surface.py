from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from support.engines import make_engine, norm_and_dropout, small_mlp
from torch import Tensor, nn

from automl_loss.after.surface import filter_normalised, flatness, measure_along, plane
from automl_loss.engine.network.network import Network, State


def bias_free(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8, bias=False), nn.ReLU(), nn.Linear(8, outputs, bias=False))


def loaded(network: Network, theta: Tensor, state: State) -> nn.Module:
    """A module of its own with these parameters."""
    module = copy.deepcopy(network.module)
    values = network.named([leaf.detach()[0] for leaf in network.leaves(theta[None])])
    module.load_state_dict({**values, **{name: value[0] for name, value in state.buffers.items()}})
    return module.eval()


@pytest.mark.parametrize("make", [small_mlp, norm_and_dropout])
def test_every_filter_has_the_norm_of_the_networks_and_biases_stay(make: object) -> None:
    network = make_engine(make).network
    state = network.initial(3)
    directions = filter_normalised(network, state, 2, np.random.default_rng(0))
    assert directions.shape == (2, network.parameters)
    centre = network.named(network.leaves(state.theta))
    for direction in directions:
        for name, piece in network.named(network.leaves(direction[None])).items():
            mine, own = piece.detach()[0], centre[name].detach()[0]
            if mine.ndim == 1:
                assert not mine.any(), name
            else:
                for one, other in zip(mine, own, strict=True):
                    torch.testing.assert_close(one.norm(), other.norm())
    assert not torch.allclose(directions[0], directions[1])


def test_draws_depend_on_the_architecture_alone() -> None:
    network = make_engine(bias_free).network
    one, other = network.initial(3), network.initial(4)
    drawn = [filter_normalised(network, state, 1, np.random.default_rng(0)) for state in (one, other)]
    for mine, theirs in zip(*(network.leaves(d) for d in drawn), strict=True):
        # Equal but for the length of each filter.
        torch.testing.assert_close(
            nn.functional.normalize(mine.detach()[0], dim=1),
            nn.functional.normalize(theirs.detach()[0], dim=1),
        )


@pytest.mark.parametrize("make", [small_mlp, norm_and_dropout])
def test_a_point_of_a_surface_is_the_loss_of_a_network_with_those_parameters(make: object) -> None:
    engine = make_engine(make)
    network, test = engine.network, engine.task.test(0)
    x, y = torch.as_tensor(test.x), torch.as_tensor(test.y)
    state = network.initial(3)
    directions = filter_normalised(network, state, 2, np.random.default_rng(0))

    def measure(some: State) -> Mapping[str, Tensor]:
        raw = network.outputs(some, x)
        return {"loss": torch.stack([nn.functional.cross_entropy(one, y) for one in raw])}

    points = plane(0.8, 5)
    found = measure_along(state, directions, points, 4, measure)["loss"]
    assert found.shape == (25,)
    np.testing.assert_array_equal(points[12], [0.0, 0.0])
    np.testing.assert_array_equal(points[[0, 1, 5]], [[-0.8, -0.8], [-0.8, -0.4], [-0.4, -0.8]])
    for place, (a, b) in enumerate(points):
        theta = state.theta[0] + a * directions[0] + b * directions[1]
        expected = nn.functional.cross_entropy(loaded(network, theta.float(), state)(x), y)
        assert found[place] == pytest.approx(expected.item(), rel=1e-4)


def test_what_computes_the_same_has_the_same_surface() -> None:
    """Filter normalisation is for this: scaling one layer up and the next down changes no output and no surface."""
    engine = make_engine(bias_free)
    network, x = engine.network, torch.as_tensor(engine.task.test(0).x)
    state = network.initial(3)
    first, second = (leaf.detach() for leaf in network.leaves(state.theta))
    scaled = State(network.flatten([first * 7.0, second / 7.0]), {})
    outputs = []
    for centre in (state, scaled):
        directions = filter_normalised(network, centre, 2, np.random.default_rng(0))
        moved = centre.theta + 0.7 * directions[:1] - 0.4 * directions[1:]
        outputs.append(network.outputs(State(moved, {}), x))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


def test_flatness_of_a_bowl_is_what_a_pencil_gives() -> None:
    network = make_engine(small_mlp).network
    state = network.initial(3)
    weights = [leaf.detach() for leaf in network.leaves(state.theta) if leaf.ndim > 2]
    size = float(sum(weight.square().sum() for weight in weights))

    def bowl(some: State) -> Mapping[str, Tensor]:
        return {"bowl": (some.theta - state.theta).square().sum(1) + 3.0, "level": some.theta[:, 0] * 0.0}

    radii = [0.1, 0.2, 0.3]
    found = flatness(network, state, radii, 6, np.random.default_rng(0), 4, bowl)
    # Every direction is as long as the weights, so the bowl rises by r^2 |theta|^2 along each.
    assert found["bowl"].rise == pytest.approx([r * r * size for r in radii], rel=1e-4)
    assert found["bowl"].figure == pytest.approx(size * (0.01 + 0.04 + 0.09) / 3, rel=1e-4)
    assert found["level"].figure == 0.0
