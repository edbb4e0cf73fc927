from __future__ import annotations

import pytest

from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.search.budget import Budget, spent

LOSS = HandcraftedLoss("cross_entropy", "multiclass")


def outcomes(*statuses: Status, cost: float | None = None) -> dict[int, Outcome]:
    """The task loss and one outcome of each status."""
    said = {} if cost is None else {"cost": cost}
    return {
        i: Outcome(i, status, 0.5 if status.completed else None, LOSS, **said)
        for i, status in enumerate([Status.EVALUATED, *statuses])
    }


@pytest.mark.parametrize(
    ("status", "cost"),
    [
        (Status.EVALUATED, 1.0),
        (Status.DIVERGED, 1.0),
        (Status.PRUNED, 1.0),
        (Status.CACHED, 0.0),
        (Status.REJECTED, 0.0),
        (Status.FAILED, 0.0),
    ],
)
def test_a_candidate_whose_evaluator_does_not_say_costs_a_whole_one_where_it_was_trained(
    status: Status, cost: float
) -> None:
    assert spent(outcomes(status, status)) == 2 * cost


@pytest.mark.parametrize("status", list(Status))
def test_a_candidate_costs_what_its_evaluator_says(status: Status) -> None:
    assert spent(outcomes(status, status, cost=0.25)) == 0.5


def test_metrics_cost_nothing() -> None:
    rejected = Outcome(1, Status.REJECTED, None, LOSS, metrics={"calibration": 0.3, "share": 0.8})
    pruned = Outcome(2, Status.PRUNED, None, LOSS, metrics={"share": 0.8}, cost=0.5)
    assert spent({1: rejected, 2: pruned}) == 0.5


def test_the_task_loss_is_free() -> None:
    assert Budget(1).remaining(outcomes()) == 1
    assert Budget(1).reason(outcomes(), 0) is None


def test_what_is_left_is_rounded_up_and_never_negative() -> None:
    assert (
        Budget(3).remaining(
            {**outcomes(Status.EVALUATED), 2: Outcome(2, Status.PRUNED, None, LOSS, cost=0.25)}
        )
        == 2
    )
    assert Budget(1).remaining(outcomes(Status.EVALUATED, Status.EVALUATED)) == 0


def test_a_search_ends_when_its_candidates_are_spent() -> None:
    assert Budget(2).reason(outcomes(Status.EVALUATED), 1) is None
    reason = Budget(2).reason(outcomes(Status.EVALUATED, Status.DIVERGED), 2)
    assert reason == "the budget of 2 candidates is spent"


def test_a_search_whose_candidates_are_all_filtered_ends_too() -> None:
    rejected = outcomes(*[Status.REJECTED] * 19)
    assert Budget(2).reason(rejected, 19) is None
    assert "20 candidates were asked for" in (Budget(2).reason(rejected, 20) or "")
