from __future__ import annotations

import pytest
import torch
from torch import nn

from automl_loss import Problem
from automl_loss.engine.data.rows import Rows
from automl_loss.engine.network import network as networks
from automl_loss.engine.network.network import Network
from automl_loss.plugins.model import ModelFactory


class Wide(ModelFactory):
    """A convolution whose activations are eight times as large as its inputs."""

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, output_dim)
        )


def test_blocks_of_evaluation_are_bounded_by_the_widest_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem.classification((1, 6, 6), 3)
    net = Network(Wide(None), problem, torch.device("cpu"), torch.float64)
    x = torch.randn(23, 1, 6, 6, dtype=torch.float64)
    net.probe(x[:2])
    state = net.initial(0)
    whole = net.outputs(state, x)
    sizes: list[int] = []
    handle = net.module.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    monkeypatch.setattr(networks, "_EVALUATION_ELEMENTS", 5 * 8 * 36)
    pieces = net.outputs(state, Rows(x, torch.zeros(23, dtype=torch.int64), dtype=torch.float64))
    handle.remove()
    assert sizes == [5, 5, 5, 5, 3]
    torch.testing.assert_close(pieces, whole)


def test_looking_for_the_widest_activation_changes_no_batch_norm() -> None:
    class Normed(ModelFactory):
        def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
            return nn.Sequential(nn.Linear(4, 9), nn.BatchNorm1d(9), nn.Linear(9, output_dim))

    net = Network(Normed(None), Problem.classification((4,), 3), torch.device("cpu"), torch.float64)
    before = net.initial(1)
    net.probe(torch.randn(2, 4, dtype=torch.float64))
    after = net.initial(1)
    assert all(torch.equal(before.buffers[name], after.buffers[name]) for name in before.buffers)
    assert all(not module._forward_hooks for module in net.module.modules())
