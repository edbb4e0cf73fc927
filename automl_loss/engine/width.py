"""How many networks to batch: a fixed rule from the network, never from a clock."""

from __future__ import annotations

from torch import nn

from automl_loss.engine.network import Network

MOST = 32
_PARAMETERS = 40_000
"""Above this, one network alone already fills a core: batching then costs cache misses and gains nothing."""


def width_for(network: Network, *, batchable: bool) -> int:
    """Networks per batch: many for small fully connected ones, one for large, convolutional or unbatchable ones."""
    convolutional = any(isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d) for m in network.module.modules())
    return 1 if not batchable or convolutional or network.parameters > _PARAMETERS else MOST
