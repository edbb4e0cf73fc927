from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_loss.expression import parse, standard_primitives
from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.losses.symbolic import SymbolicLoss
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.record.encoding import outcome_from_json, outcome_to_json, plain

LOSS = SymbolicLoss(parse("mul(y, log(f))", standard_primitives()))

finite = st.floats(allow_nan=False, allow_infinity=False)
completed = [status for status in Status if status.completed]
unfinished = [status for status in Status if not status.completed]


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """Any outcome whose fitness goes with its status."""
    status = draw(st.sampled_from(Status))
    weights = tuple(draw(st.lists(finite, min_size=LOSS.complexity, max_size=LOSS.complexity)))
    return Outcome(
        id=draw(st.integers(0, 10**9)),
        status=status,
        fitness=draw(finite) if status.completed else None,
        loss=replace(LOSS, weights=weights, scale=draw(finite)),
        metrics=draw(st.dictionaries(st.text(), st.floats() | st.integers())),
        rungs=tuple(draw(st.lists(st.floats()))),
        steps=draw(finite),
        seconds=draw(finite),
        source_id=draw(st.none() | st.integers(0, 10**9)),
        message=draw(st.text()),
    )


def bits(value: object) -> object:
    """The value with every float as its 64 bits, so that -0.0 is not 0.0 and nan is nan."""
    if isinstance(value, float):
        return "nan" if value != value else struct.pack("<d", value)
    if isinstance(value, tuple | list):
        return [bits(item) for item in value]
    return value


@given(outcomes())
def test_an_outcome_comes_back_bit_for_bit(outcome: Outcome) -> None:
    text = json.dumps(outcome_to_json(outcome), allow_nan=False)
    again = outcome_from_json(json.loads(text))
    for name in ("id", "status", "fitness", "rungs", "steps", "seconds", "source_id", "message"):
        assert bits(getattr(again, name)) == bits(getattr(outcome, name))
    assert list(again.metrics) == list(outcome.metrics)
    assert bits(list(again.metrics.values())) == bits(list(outcome.metrics.values()))
    assert again.loss == outcome.loss
    assert bits([*again.loss.weights, again.loss.scale]) == bits([*outcome.loss.weights, outcome.loss.scale])


def test_a_handcrafted_loss_comes_back() -> None:
    loss = HandcraftedLoss("gce", "multiclass", (("q", 0.1 + 0.2),), scale=1 / 3)
    outcome = Outcome(0, Status.EVALUATED, 0.5, loss)
    assert outcome_from_json(json.loads(json.dumps(outcome_to_json(outcome)))) == outcome


def test_numpy_scalars_become_python_numbers_at_any_depth() -> None:
    value = {
        "a": np.float32(0.1),
        "b": (np.int64(3), [np.bool_(True), {"c": np.float64("inf")}]),
        4: None,
    }
    found = plain(value)
    assert found == {"a": float(np.float32(0.1)), "b": [3, [True, {"c": float("inf")}]], "4": None}
    assert [type(x) for x in (found["a"], found["b"][0], found["b"][1][0])] == [float, int, bool]


def test_an_outcome_may_hold_numpy_scalars() -> None:
    scalars = Outcome(
        id=np.int64(3),  # type: ignore[arg-type]
        status=Status.EVALUATED,
        fitness=np.float64(0.1),
        loss=LOSS,
        metrics={"x": np.float32(0.5)},  # type: ignore[dict-item]
        rungs=(np.float64("nan"),),
        steps=np.int32(7),  # type: ignore[arg-type]
    )
    data = json.loads(json.dumps(outcome_to_json(scalars), allow_nan=False))
    assert (data["id"], data["fitness"], data["metrics"], data["rungs"], data["steps"]) == (
        3, 0.1, {"x": 0.5}, ["nan"], 7,
    )  # fmt: skip


@pytest.mark.parametrize("value", [np.zeros(3), {1, 2}, object(), 1j])
def test_what_json_cannot_hold_is_refused_by_its_type(value: object) -> None:
    with pytest.raises(TypeError, match=f"cannot record a {type(value).__qualname__}"):
        plain({"deep": [value]})


@pytest.mark.parametrize(
    ("status", "changes", "cost"),
    [
        (Status.EVALUATED, {}, 1.0),
        (Status.DIVERGED, {}, 1.0),
        (Status.DIVERGED, {"source_id": 3}, 0.0),
        (Status.CACHED, {"source_id": 3}, 0.0),
        (Status.REJECTED, {}, 0.0),
        (Status.REJECTED, {"metrics": {"tuned_exactly": 0.0}}, 1.0),
        (Status.PRUNED, {"metrics": {"share": 0.4}}, 0.4),
        (Status.FAILED, {}, 0.0),
    ],
)
def test_an_outcome_that_was_recorded_before_costs_were_counts_as_it_did(
    status: Status, changes: dict[str, Any], cost: float
) -> None:
    data = outcome_to_json(Outcome(7, status, 0.5 if status.completed else None, LOSS, **changes))
    del data["cost"]
    assert outcome_from_json(data).cost == cost
