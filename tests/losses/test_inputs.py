"""From raw outputs and targets to f and y."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from automl_loss.losses.inputs import prepare
from automl_loss.losses.problem import Kind

RAW = torch.tensor([[0.0, 1.0, -2.0], [3.0, 0.5, 0.5]])


def test_classes_become_probabilities_and_one_hot_targets() -> None:
    f, y = prepare(RAW, torch.tensor([2, 0]), "multiclass", 3)
    torch.testing.assert_close(f, RAW.exp() / RAW.exp().sum(1, keepdim=True))
    assert y.tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_a_logit_becomes_a_probability_beside_zero_or_one() -> None:
    f, y = prepare(RAW[:, :1], torch.tensor([1, 0]), "binary", 1)
    torch.testing.assert_close(f, 1 / (1 + (-RAW[:, :1]).exp()))
    assert y.tolist() == [[1.0], [0.0]]


def test_regression_compares_what_is_given() -> None:
    f, y = prepare(RAW, RAW.double() + 1, "regression", 3)
    assert f is RAW
    torch.testing.assert_close(y, RAW + 1)


@pytest.mark.parametrize(
    ("kind", "outputs", "target"),
    [
        ("multiclass", 3, torch.tensor([2, 0])),
        ("binary", 1, torch.tensor([1, 0])),
        ("regression", 3, torch.ones(2, 3)),
    ],
)
def test_many_networks_are_prepared_as_each_alone(kind: Kind, outputs: int, target: Tensor) -> None:
    raw = torch.stack([RAW, -RAW])[..., :outputs]
    f, y = prepare(raw, torch.stack([target, target]), kind, outputs)
    _, shared = prepare(raw, target, kind, outputs)
    for k in range(2):
        alone_f, alone_y = prepare(raw[k], target, kind, outputs)
        torch.testing.assert_close(f[k], alone_f)
        assert torch.equal(y[k], alone_y)
        assert torch.equal(shared, alone_y)
    assert f.dtype == y.dtype == raw.dtype
