from __future__ import annotations

import pytest

from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.search.budget import Budget, spent

LOSS = HandcraftedLoss("cross_entropy", "multiclass")


def outcomes(*statuses: Status, steps: float = 0.0) -> dict[int, Outcome]:
    """The task loss and one outcome of each status."""
    everyone = [Status.EVALUATED, *statuses]
    return {
        i: Outcome(i, status, 0.5 if status.completed else None, LOSS, steps=steps)
        for i, status in enumerate(everyone)
    }


@pytest.mark.parametrize(
    ("status", "cost"),
    [
        (Status.EVALUATED, 1.0),
        (Status.DIVERGED, 1.0),
        (Status.PRUNED, 0.25),
        (Status.CACHED, 0.0),
        (Status.REJECTED, 0.0),
        (Status.FAILED, 0.0),
    ],
)
def test_a_candidate_costs_what_was_trained_of_it(status: Status, cost: float) -> None:
    assert spent(outcomes(status, status, steps=125.0), 500.0) == 2 * cost


def test_every_status_has_a_cost() -> None:
    assert 0 < spent(outcomes(*Status, steps=125.0), 500.0) < len(Status)


def test_a_pruned_candidate_never_costs_more_than_a_whole_one() -> None:
    assert spent(outcomes(Status.PRUNED, steps=900.0), 500.0) == 1.0


def test_a_pruned_candidate_that_tells_its_share_with_tuning_counts_by_it() -> None:
    pruned = Outcome(1, Status.PRUNED, None, LOSS, steps=1000.0, metrics={"share": 0.8})
    assert spent({1: pruned}, 500.0) == 0.8


def test_an_equivalent_of_a_pruned_candidate_is_free() -> None:
    twin = Outcome(2, Status.PRUNED, None, LOSS, metrics={"share": 0.5}, source_id=1)
    assert spent({**outcomes(Status.PRUNED, steps=125.0), 2: twin}, 500.0) == 0.25


def test_the_task_loss_is_free() -> None:
    assert Budget(1).remaining(outcomes(), 500.0) == 1
    assert Budget(1).reason(outcomes(), 500.0, 0, 0.0) is None


def test_what_is_left_is_rounded_up_and_never_negative() -> None:
    assert Budget(3).remaining(outcomes(Status.EVALUATED, Status.PRUNED, steps=125.0), 500.0) == 2
    assert Budget(1).remaining(outcomes(Status.EVALUATED, Status.EVALUATED), 500.0) == 0


def test_a_search_ends_when_its_candidates_are_spent() -> None:
    assert Budget(2).reason(outcomes(Status.EVALUATED), 500.0, 1, 0.0) is None
    reason = Budget(2).reason(outcomes(Status.EVALUATED, Status.DIVERGED), 500.0, 2, 0.0)
    assert reason == "the budget of 2 candidates is spent"


def test_a_search_ends_when_its_minutes_are_spent() -> None:
    assert Budget(2, minutes=1.5).reason(outcomes(), 500.0, 0, 89.9) is None
    assert Budget(2, minutes=1.5).reason(outcomes(), 500.0, 0, 90.0) == "the budget of 1.5 minutes is spent"
    assert Budget(2).reason(outcomes(), 500.0, 0, 1e9) is None


def test_a_search_whose_candidates_are_all_filtered_ends_too() -> None:
    rejected = outcomes(*[Status.REJECTED] * 19)
    assert Budget(2).reason(rejected, 500.0, 19, 0.0) is None
    assert "20 candidates were asked for" in (Budget(2).reason(rejected, 500.0, 20, 0.0) or "")


def test_an_equivalent_of_a_diverged_candidate_is_free() -> None:
    twin = Outcome(2, Status.DIVERGED, None, LOSS, source_id=1)
    assert spent({**outcomes(Status.DIVERGED), 2: twin}, 100.0) == 1.0


def test_a_candidate_that_was_tuned_and_then_rejected_is_paid_for_and_its_equivalent_is_free() -> None:
    tuned = Outcome(1, Status.REJECTED, None, LOSS, metrics={"tuned_exactly": 0.0})
    twin = Outcome(2, Status.REJECTED, None, LOSS, metrics={"tuned_exactly": 0.0}, source_id=1)
    assert spent({1: tuned, 2: twin}, 100.0) == 1.0
