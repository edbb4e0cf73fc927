"""Choose how many networks to batch, by a fixed rule on the network, independent of timing."""

from __future__ import annotations

from torch import nn

from automl_loss.engine.network.network import Network

MOST = 32
_PARAMETERS = 300_000
"""Of all networks in a batch. Milliseconds per network and step, digits, one thread, at width 1, 4, 8, 16, 32: linear
(650 parameters) 0.53, 0.18, 0.13, 0.10, 0.08; 20 hidden units (1,510) 0.67, 0.22, 0.17, 0.12, 0.11; 100-100 (17,510)
0.9, 0.50, 0.43, 0.45, 0.49; 200-200 (55,210) 3.0, 1.9, 1.6, 1.35, 1.35; 500-500 (288,510) and larger: the same at any
width, within noise. So a batch need not be larger than it takes to keep the bookkeeping of a step small."""


def width_for(network: Network, *, batchable: bool) -> int:
    """Return the number of networks per batch: many for small, one for large, convolutional or unbatchable ones."""
    convolutional = any(isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d) for m in network.module.modules())
    if not batchable or convolutional:
        return 1
    return max(1, min(MOST, _PARAMETERS // network.parameters))
