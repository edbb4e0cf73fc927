"""What lies around a trained network in parameter space: filter-normalised directions, surfaces and flatness.

After Li et al., "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018, arXiv 1712.09913. A network that
is scaled up at one layer and down at the next computes the same, so distances in raw parameters mean nothing. A
direction d is therefore drawn from a normal distribution and each of its filters brought to the norm of the
network's own,

    d[i, j]  <-  d[i, j] / |d[i, j]| * |theta[i, j]|        (layer i, filter j),

where a filter is one row of a weight tensor of two or more dimensions: all that leads to one neuron or channel.
Biases and the parameters of BatchNorm, which have one dimension, are left in place. A step of length r along d then
changes each filter by r times its norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automl_loss.engine.network.network import Network, State

Floats = npt.NDArray[np.float64]
Measure = Callable[[State], Mapping[str, Tensor]]
"""Maps P networks to quantities of shape `(P,)`, by name."""


def filter_normalised(network: Network, state: State, count: int, rng: np.random.Generator) -> Tensor:
    """Random directions around a network, normalised by filter.

    Args:
        network: the architecture.
        state: of width 1: the centre.
        count: number of directions.
        rng: what is drawn depends on the architecture alone, so two networks get the same draws.

    Returns:
        `(count, parameters)`.
    """
    leaves = network.leaves(state.theta)
    directions = []
    for _ in range(count):
        pieces = []
        for leaf in leaves:
            centre = leaf.detach()[0]
            drawn = torch.as_tensor(rng.standard_normal(tuple(centre.shape)), dtype=centre.dtype)
            pieces.append(_normalised(drawn.to(centre.device), centre)[None])
        directions.append(network.flatten(pieces))
    return torch.cat(directions)


def _normalised(drawn: Tensor, centre: Tensor) -> Tensor:
    if centre.ndim < 2:
        return torch.zeros_like(centre)
    wide = (-1, *[1] * (centre.ndim - 1))
    lengths = drawn.flatten(1).norm(dim=1).clamp(min=torch.finfo(drawn.dtype).tiny)
    factors: Tensor = centre.flatten(1).norm(dim=1) / lengths
    return drawn * factors.view(wide)


def along(state: State, directions: Tensor, steps: Tensor, width: int) -> Iterator[State]:
    """Networks at `centre + steps @ directions`, so many at once.

    Args:
        state: of width 1: the centre. BatchNorm keeps its statistics.
        directions: `(D, parameters)`.
        steps: `(points, D)`.
        width: most networks in a batch.
    """
    for some in torch.split(steps.to(state.theta), width):
        moved = state.expand(len(some))
        moved.theta += some @ directions
        yield moved


def measure_along(
    state: State, directions: Tensor, steps: npt.ArrayLike, width: int, measure: Measure
) -> dict[str, Floats]:
    """Quantities of the networks at `centre + steps @ directions`, `(points,)` each; see `along`."""
    found: dict[str, list[Tensor]] = {}
    for moved in along(state, directions, torch.as_tensor(np.asarray(steps)), width):
        for name, values in measure(moved).items():
            found.setdefault(name, []).append(values.double().cpu())
    return {name: torch.cat(pieces).numpy() for name, pieces in found.items()}


def plane(span: float, size: int) -> Floats:
    """`(size * size, 2)` points of a grid from -span to span, the second coordinate the faster.

    An odd size has the centre among them.
    """
    axis = np.linspace(-span, span, size)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class Flatness:
    """How fast a quantity rises with the distance from a minimum, and one figure of it.

    With T the quantity, theta the trained network, d a random filter-normalised direction (each filter as long as
    the network's), and r up to R, the radius of the ball,

        rise(r)  =  mean over d of  T(theta + r d) - T(theta)
        figure   =  mean of rise(r) over the radii up to R.

    The smaller, the flatter; below 0, theta is no minimum of T, as with the task loss on validation rows and a network
    that was not trained for it. It says how much of a network's quality survives when every filter is disturbed by up
    to the share R of its norm; that flat minima generalise better is a conjecture, not a part of the figure.

    Args:
        radii: rising, the last is R.
        rise: of each radius.
        figure: their mean.
    """

    radii: tuple[float, ...]
    rise: tuple[float, ...]
    figure: float


def flatness(
    network: Network,
    state: State,
    radii: Sequence[float],
    directions: int,
    rng: np.random.Generator,
    width: int,
    measure: Measure,
) -> dict[str, Flatness]:
    """The flatness of every quantity around a network.

    Args:
        network: the architecture.
        state: of width 1.
        radii: rising, evenly spaced, above 0.
        directions: how many random directions are averaged.
        rng: draws them.
        width: most networks in a batch.
        measure: gives the quantities.
    """
    drawn = filter_normalised(network, state, directions, rng)
    centre = measure(state)
    steps = np.kron(np.eye(directions), np.asarray(radii)[:, None])
    found = {}
    for name, values in measure_along(state, drawn, steps, width, measure).items():
        rise = values.reshape(directions, len(radii)).mean(axis=0) - float(centre[name][0])
        found[name] = Flatness(tuple(radii), tuple(rise.tolist()), float(rise.mean()))
    return found
