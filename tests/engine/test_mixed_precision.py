"""Mixed precision: layers in bfloat16, everything that a loss sees in float32."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.engines import loss_of, make_engine, norm_and_dropout, train
from torch import nn

from automl_loss import Problem, task_loss

PROBLEM = Problem.classification((6,), 3)


def layered(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


def engine(precision: str, make: Any = layered, **training: Any) -> Any:
    return make_engine(make, training={"precision": precision, **training})


def test_layers_compute_in_bfloat16_and_losses_see_float32() -> None:
    network = engine("bfloat16").network
    seen: list[torch.dtype] = []
    handle = network.module[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    raw = network.outputs(network.initial(0), torch.randn(4, 6))
    handle.remove()
    assert seen == [torch.bfloat16]
    assert raw.dtype == torch.float32
    assert network.initial(0).theta.dtype == torch.float32


@pytest.mark.parametrize("make", [layered, norm_and_dropout])
def test_it_trains_batched_and_alone_to_nearly_the_float32_fitness(make: Any) -> None:
    losses = [task_loss(PROBLEM), loss_of("square(sub(y, f))"), loss_of("mul(mul(-1, y), sqrt(f))")]
    exact = train(engine("float32", make, width=3), losses)
    for width in (1, 3):
        mixed = train(engine("bfloat16", make, width=width), losses)
        for one, other in zip(mixed, exact, strict=True):
            assert not one.diverged
            assert one.fitness == pytest.approx(other.fitness, abs=0.1)


def test_tuning_works_and_points_where_float32_points() -> None:
    loss = loss_of("add(square(sub(y, f)), mul(mul(-1, y), sqrt(f)))")
    start = torch.tensor(loss.weights)
    moved = [torch.tensor(engine(p).tune([loss])[0].loss.weights) - start for p in ("bfloat16", "float32")]
    assert torch.cosine_similarity(*moved, dim=0) > 0.95
