from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from automl_loss.engine.data.rows import BatchOrder, Rows
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


@dataclass(frozen=True)
class Bytes:
    """Rows of bytes: prepared by halving, augmented by adding 0 to 9."""

    stored: np.ndarray
    augmented: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: Any) -> Bytes:
        return replace(self, stored=self.stored[rows])

    def prepare(self, stored: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        return stored.to(dtype) / 2

    def augment(self, stored: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        if not self.augmented:
            return stored
        return stored + torch.as_tensor(rng.integers(0, 10, stored.shape), dtype=stored.dtype)


def rows_of(inputs: Bytes) -> Rows:
    problem = Problem.classification((2,), 3)
    return Rows.of(Split(inputs, np.arange(50) % 3), problem, torch.device("cpu"), torch.float64)


STORED = np.arange(0, 200, 2, dtype=np.uint8).reshape(50, 2)


def test_inputs_stay_in_stored_form_and_are_prepared_when_they_are_looked_at() -> None:
    rows = rows_of(Bytes(STORED, augmented=False))
    assert rows.stored.dtype == torch.uint8
    assert rows.x.dtype == torch.float64
    assert np.array_equal(rows.x, STORED / 2)
    batch = rows[torch.tensor([7, 3])]
    assert np.array_equal(batch.x, STORED[[7, 3]] / 2)
    assert batch.target.tolist() == [1, 0]


def test_blocks_are_the_rows_prepared_piece_by_piece() -> None:
    rows = rows_of(Bytes(STORED))
    pieces = list(rows.blocks(20))
    assert [len(piece) for piece in pieces] == [20, 20, 10]
    assert torch.equal(torch.cat(pieces), rows.x)


def test_only_batches_are_augmented() -> None:
    rows = rows_of(Bytes(STORED))
    assert np.array_equal(rows.x, STORED / 2)
    added = 2 * rows[torch.arange(50)].x.numpy() - STORED
    assert set(added.flatten()) == set(range(10))


def test_what_is_drawn_is_a_function_of_seed_and_step_and_changes_with_both() -> None:
    rows = rows_of(Bytes(STORED))

    def drawn(seed: int, step: int) -> np.ndarray:
        index = BatchOrder(50, 8, seed)[step]
        return 2 * rows[torch.as_tensor(index)].x.numpy() - STORED[index]

    assert np.array_equal(drawn(1, 4), drawn(1, 4))
    assert not np.array_equal(drawn(1, 4), drawn(1, 5))
    assert not np.array_equal(drawn(1, 4), drawn(2, 4))


def test_each_network_s_batch_is_augmented_as_if_it_were_alone() -> None:
    rows = rows_of(Bytes(STORED))
    index = torch.as_tensor(np.stack([BatchOrder(50, 8, seed)[3] for seed in (5, 6, 5)]))
    together = rows[index].x
    assert together.shape == (3, 8, 2)
    for network in range(3):
        assert torch.equal(together[network], rows[index[network]].x)
    assert torch.equal(together[0], together[2])
