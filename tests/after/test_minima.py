from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from automl_loss.after.minima import train_to_minima
from support.engines import loss_of, make_engine, norm_and_dropout, small_mlp, train

from automl_loss.engine.data.corruption import corrupt
from automl_loss.engine.data.rows import Rows
from automl_loss.engine.engine import Engine

SQUARED = loss_of("square(sub(f, y))", scale=2.0)


def validation(engine: Engine) -> Rows:
    source = engine.spec
    splits = corrupt(engine.task.splits(source.seed), source.options, engine.problem, source.seed)
    return Rows.of(splits.validation, engine.problem, engine.device, engine.network.dtype)


@pytest.mark.parametrize("network", [small_mlp, norm_and_dropout])
def test_at_the_last_step_it_is_the_network_of_training_bit_for_bit(network: Any) -> None:
    engine = make_engine(network, stop="last")
    (minimum,) = train_to_minima(engine, SQUARED, 0.1, 40, [5])
    test = engine.task.test(0)
    (trained,) = train(engine, [SQUARED], lr=0.1, steps=40, seed=5, test=test)
    assert minimum.step == 40
    outputs = engine.network.outputs(minimum.state, torch.as_tensor(test.x))[0]
    assert trained.test_output_last is not None
    np.testing.assert_array_equal(outputs.numpy(), trained.test_output_last)
    assert minimum.fitness == trained.last


def test_by_the_best_validation_it_is_the_network_that_had_it() -> None:
    engine = make_engine(small_mlp)
    seeds = [5, 6, 7]
    minima = train_to_minima(engine, SQUARED, 0.5, 50, seeds)
    rows = validation(engine)
    assert [minimum.seed for minimum in minima] == seeds
    assert len({minimum.step for minimum in minima}) > 1
    for minimum in minima:
        raw = engine.network.outputs(minimum.state, rows.x)[0]
        error = float((raw.argmax(1) != rows.target).double().mean())
        assert error == pytest.approx(minimum.fitness)
        (trained,) = train(engine, [SQUARED], lr=0.5, steps=50, seed=minimum.seed)
        assert (minimum.fitness, minimum.step) == (pytest.approx(trained.fitness), trained.best_step)


def test_networks_that_diverge_are_left_out() -> None:
    engine = make_engine(small_mlp)
    assert train_to_minima(engine, SQUARED.with_scale(1e38), 1e6, 20, [5, 6]) == []
