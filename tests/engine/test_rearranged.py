from __future__ import annotations

import pytest
import torch
from support.engines import make_engine as small_engine

from automl_loss.engine.data import Rows
from automl_loss.engine.rearranged import rearrange


def numbered(start: int, count: int) -> Rows:
    values = torch.arange(start, start + count)
    return Rows(values[:, None].float(), values)


def test_validation_rows_are_trained_on_but_for_a_fifth_that_stops_training() -> None:
    train, held = rearrange(numbered(0, 30), numbered(100, 20), "validation", seed=3)
    assert len(train) == 16
    assert len(held) == 4
    assert sorted([*train.target.tolist(), *held.target.tolist()]) == list(range(100, 120))
    assert torch.equal(train.x.flatten().long(), train.target)


def test_both_adds_them_to_the_training_rows() -> None:
    train, held = rearrange(numbered(0, 30), numbered(100, 20), "both", seed=3)
    assert train.target[:30].tolist() == list(range(30))
    assert len(train) == 46
    alone = rearrange(numbered(0, 30), numbered(100, 20), "validation", seed=3)
    assert torch.equal(alone[1].target, held.target)
    assert set(train.target[30:].tolist()) == set(alone[0].target.tolist())


@pytest.mark.parametrize("how", ["validation", "both"])
def test_an_engine_on_other_rows_trains_and_never_sees_test_rows(how: str) -> None:
    engine = small_engine()
    other = engine.on_rows(how)  # type: ignore[arg-type]
    own = engine.train_rows.x.tolist() + engine.validation_rows.x.tolist()
    assert all(row in own for row in other.train_rows.x.tolist() + other.validation_rows.x.tolist())
    assert len(other.train_rows) > (len(engine.train_rows) if how == "both" else 0)
