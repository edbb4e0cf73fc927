from __future__ import annotations

import numpy as np
import pytest
import torch

from automl_loss.engine.data import BatchOrder, Rows
from automl_loss.errors import EvaluationError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.task import Split


def test_every_epoch_visits_every_row_once_and_batches_are_always_full() -> None:
    order = BatchOrder(rows=10, batch_size=4, seed=3)
    batches = [order[step] for step in range(10)]
    assert all(len(batch) == 4 for batch in batches)
    stream = np.concatenate(batches)
    for epoch in range(4):
        assert sorted(stream[10 * epoch : 10 * (epoch + 1)]) == list(range(10))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    forward = BatchOrder(50, 8, seed=1)
    in_order = [forward[step] for step in range(20)]
    fresh = BatchOrder(50, 8, seed=1)
    assert np.array_equal(fresh[17], in_order[17])
    assert not np.array_equal(BatchOrder(50, 8, seed=2)[0], in_order[0])


def test_a_data_set_smaller_than_the_batch_size_is_one_batch() -> None:
    order = BatchOrder(rows=5, batch_size=128, seed=0)
    assert sorted(order[0]) == sorted(order[7]) == list(range(5))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), np.array([0, 1, 3]), "from 0 to 3"),
        (np.zeros((3, 2)), np.array([0, 1]), "3 inputs and 2 targets"),
        (np.zeros((3, 4)), np.array([0, 1, 2]), r"shape \(4,\)"),
    ],
)
def test_a_split_that_does_not_fit_its_problem_is_refused_with_the_shapes(
    x: np.ndarray, y: np.ndarray, message: str
) -> None:
    problem = Problem.classification((2,), 3)
    with pytest.raises(EvaluationError, match=message):
        Rows.of(Split(x, y), problem, torch.device("cpu"), torch.float32)
