from __future__ import annotations

from typing import Any

import pytest
import torch
from support.engines import make_engine as small_engine
from support.engines import train

from automl_loss import task_loss
from automl_loss.engine.data.corruption import TaskOptions
from automl_loss.engine.data.resplit import resplit
from automl_loss.engine.data.rows import Rows


def numbered(start: int, count: int) -> Rows:
    values = torch.arange(start, start + count)
    return Rows(values[:, None].float(), values)


def test_validation_rows_are_trained_on_but_for_a_fifth_that_stops_training() -> None:
    train, held = resplit(numbered(0, 30), numbered(100, 20), "validation", seed=3)
    assert len(train) == 16
    assert len(held) == 4
    assert sorted([*train.target.tolist(), *held.target.tolist()]) == list(range(100, 120))
    assert torch.equal(train.x.flatten().long(), train.target)


def test_both_adds_them_to_the_training_rows() -> None:
    train, held = resplit(numbered(0, 30), numbered(100, 20), "both", seed=3)
    assert train.target[:30].tolist() == list(range(30))
    assert len(train) == 46
    alone = resplit(numbered(0, 30), numbered(100, 20), "validation", seed=3)
    assert torch.equal(alone[1].target, held.target)
    assert set(train.target[30:].tolist()) == set(alone[0].target.tolist())


@pytest.mark.parametrize("how", ["validation", "both", 3])
def test_a_lane_on_other_rows_trains_as_an_engine_whose_task_has_those_rows(how: Any) -> None:
    engine = small_engine()
    rows = resplit(engine.train_rows, engine.validation_rows, how, engine.seed)
    other = small_engine()
    other.train_rows, other.validation_rows = rows
    loss = task_loss(engine.problem)
    (moved,) = train(engine, [loss], rows=how)
    assert moved.curve == train(other, [loss])[0].curve
    assert moved.curve != train(engine, [loss])[0].curve


def test_lanes_on_several_kinds_of_rows_are_trained_at_once_each_on_its_own() -> None:
    engine = small_engine()
    losses = [task_loss(engine.problem)] * 5
    together = train(engine, losses, rows=[0, None, 1, 0, "both"])
    for how, run in zip([0, None, 1, 0, "both"], together, strict=True):
        assert run.curve == pytest.approx(train(engine, losses[:1], rows=how)[0].curve)


def test_a_number_draws_both_splits_anew_as_large_as_they_were_and_with_the_classes_they_had() -> None:
    labels = torch.tensor([0] * 20 + [1] * 10), torch.tensor([0] * 8 + [1] * 2)
    first, second = (numbered(0, 30).stored, numbered(30, 10).stored)
    given = Rows(first, labels[0]), Rows(second, labels[1])
    train, held = resplit(*given, 0, seed=3)
    assert sorted([*train.stored.flatten().tolist(), *held.stored.flatten().tolist()]) == list(range(40))
    assert torch.bincount(train.target).tolist() == [20, 10]
    assert torch.bincount(held.target).tolist() == [8, 2]
    assert not torch.equal(held.stored, second)
    again, other = resplit(*given, 0, seed=3), resplit(*given, 1, seed=3)
    assert torch.equal(again[1].stored, held.stored)
    assert not torch.equal(other[1].stored, held.stored)


def test_targets_of_a_regression_are_drawn_anew_whatever_they_are() -> None:
    def real(rows: Rows) -> Rows:
        return Rows(rows.stored, rows.stored.repeat(1, 2))

    train, held = resplit(real(numbered(0, 30)), real(numbered(30, 10)), 5, seed=3)
    assert (len(train), len(held)) == (30, 10)
    assert torch.equal(train.target[:, :1], train.stored)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"label_noise": 0.3}, True),
        ({"clean_validation": True}, True),
        ({"label_noise": 0.3, "clean_validation": True}, False),
        ({"imbalance": 0.5}, False),
    ],
)
def test_rows_are_drawn_anew_where_they_are_of_one_kind(options: dict[str, Any], expected: bool) -> None:
    assert small_engine(options=TaskOptions.model_validate(options)).redrawable is expected
