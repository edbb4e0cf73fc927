from __future__ import annotations

import numpy as np
import pytest

from automl_loss import HandcraftedLoss, Loss, Problem, Trained, task_loss
from automl_loss.engine.metrics.metric import get_metric
from automl_loss.final.learning_rate import Selection
from automl_loss.final.retraining import Contestant, Retrained
from automl_loss.final.statistics import Difference
from automl_loss.final.verdict import verdict

PROBLEM = Problem.classification((4,), 3)
ERROR = get_metric("error", PROBLEM)
PICK = Selection(0.1, 0.2, ())
RUN = Trained(0.1, 0.1, 1, (), (), 1, 0.0)


def contestant(loss: Loss, values: tuple[float, ...]) -> Contestant:
    return Contestant(loss, PICK, values, values, (RUN,) * len(values))


def retrained(mean: float, p_value: float, **others: tuple[float, ...]) -> Retrained:
    gce = HandcraftedLoss("gce", "multiclass")
    everyone = {"task_loss": contestant(task_loss(PROBLEM), (0.10, 0.12))}
    everyone |= {name: contestant(gce, values) for name, values in others.items()}
    difference = Difference(mean, (mean - 0.02, mean + 0.02), p_value, "test")
    differences = dict.fromkeys(others, difference)
    return Retrained(everyone, differences, differences)


def test_a_supported_gain_is_called_one_with_its_figures() -> None:
    text = verdict(retrained(-0.04, 0.001, found=(0.07, 0.07)), "found", ERROR, "cross_entropy")
    assert text.startswith("The found loss beats cross-entropy: test error 7.0 % ± 0.0 against 11.0 % ± 1.4")
    assert "-4.0 points" in text
    assert "p = 0.001" in text


def test_a_gain_that_the_test_does_not_support_is_not_called_one() -> None:
    text = verdict(retrained(-0.04, 0.2, found=(0.07, 0.07)), "found", ERROR, "cross_entropy")
    assert text.startswith("Keep cross-entropy: no difference to the found loss is supported")
    assert "beats" not in text


def test_a_worse_loss_is_called_worse() -> None:
    text = verdict(retrained(0.04, 0.001, found=(0.15, 0.15)), "found", ERROR, "cross_entropy")
    assert text.startswith("Keep cross-entropy: the found loss is worse")


def test_a_returned_handcrafted_loss_is_named_as_what_it_is() -> None:
    result = retrained(-0.04, 0.001, handcrafted=(0.06, 0.06), found=(0.07, 0.07))
    text = verdict(result, "handcrafted", ERROR, "cross_entropy")
    assert text.startswith("On validation no found loss was better than the handcrafted loss gce(q=0.7)")
    assert "The best found loss has 7.0 %" in text


def test_the_task_loss_can_be_the_answer() -> None:
    text = verdict(retrained(0.0, 1.0, found=(0.1, 0.1)), "task_loss", ERROR, "cross_entropy")
    assert text.startswith("Keep cross-entropy: on validation nothing was better")


def test_a_higher_auroc_is_a_gain() -> None:
    binary = Problem.classification((4,), 2)
    auroc = get_metric("auroc", binary)
    text = verdict(retrained(0.04, 0.001, found=(0.05, 0.05)), "found", auroc, "binary_cross_entropy")
    assert text.startswith("The found loss beats cross-entropy: test auroc 0.95")


def test_a_diverged_retraining_keeps_the_task_loss() -> None:
    result = retrained(float("nan"), 1.0, found=(float("inf"), 0.1))
    assert "diverged" in verdict(result, "found", ERROR, "cross_entropy")


@pytest.mark.parametrize("values", [(0.1,), (0.1, np.nan)])
def test_one_seed_and_missing_values_are_shown(values: tuple[float, ...]) -> None:
    text = verdict(retrained(-0.01, 0.5, found=values), "found", ERROR, "cross_entropy")
    assert "± 0.0" in text or "diverged" in text
