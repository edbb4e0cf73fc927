from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.engines import loss_of, make_engine, norm_and_dropout, small_mlp, train

from automl_loss import Schedule
from automl_loss.engine.data.corruption import corrupt
from automl_loss.engine.data.rows import Rows
from automl_loss.engine.engine import Engine

SQUARED = loss_of("square(sub(f, y))", scale=2.0)


def validation(engine: Engine) -> Rows:
    spec = engine.spec
    splits = corrupt(engine.task.splits(spec.seed), spec.options, engine.problem, spec.seed)
    return Rows.of(splits.validation, engine.problem, engine.device, engine.network.dtype)


@pytest.mark.parametrize("network", [small_mlp, norm_and_dropout])
def test_at_the_last_step_it_is_the_network_of_training_bit_for_bit(network: Any) -> None:
    engine = make_engine(network, stop="last")
    test = engine.task.test(0)
    (kept,) = train(engine, [SQUARED], lr=0.1, steps=40, seed=5, test=test, keep=True)
    assert (kept.best_step, kept.fitness) == (40, kept.last)
    assert kept.network is not None
    outputs = engine.network.outputs(kept.network, torch.as_tensor(test.x))[0]
    np.testing.assert_array_equal(outputs.numpy(), kept.test_output_last)


def test_by_the_best_validation_it_is_the_network_that_had_it() -> None:
    engine = make_engine(small_mlp)
    runs = train(engine, [SQUARED] * 3, lr=0.5, steps=50, seed=[5, 6, 7], keep=True)
    rows = validation(engine)
    assert len({run.best_step for run in runs}) > 1
    for run, seed in zip(runs, (5, 6, 7), strict=True):
        assert run.network is not None
        raw = engine.network.outputs(run.network, rows.x)[0]
        assert float((raw.argmax(1) != rows.target).double().mean()) == pytest.approx(run.fitness)
        (trained,) = train(engine, [SQUARED], lr=0.5, steps=50, seed=seed)
        assert (run.fitness, run.best_step) == (pytest.approx(trained.fitness), trained.best_step)


def test_networks_that_diverge_are_not_kept() -> None:
    engine = make_engine(small_mlp)
    runs = train(engine, [SQUARED.with_scale(1e38)] * 2, lr=1e6, steps=20, seed=[5, 6], keep=True)
    assert [run.network for run in runs] == [None, None]


def test_networks_of_a_part_of_a_run_are_not_kept() -> None:
    with pytest.raises(ValueError, match="kept of whole runs"):
        Schedule(40, rungs=(20,), until=20, keep=True)
