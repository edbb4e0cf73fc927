"""Curves against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from automl_loss import HandcraftedLoss, Problem, SymbolicLoss, parse, task_loss
from automl_loss.losses import catalogue
from automl_loss.losses.curve import along_probability, along_residual, along_term, handcrafted_loss

THREE = Problem.classification((4,), 3)
TWO = Problem.classification((4,), 2)
REAL = Problem.regression((4,), outputs=2)


def test_cross_entropy_is_minus_log_p_and_its_gradient_p_minus_1() -> None:
    for problem, target in ((THREE, 0), (TWO, 0), (TWO, 1)):
        curve = along_probability(task_loss(problem), problem, target)
        np.testing.assert_allclose(curve.value, -np.log(curve.x), rtol=1e-9)
        np.testing.assert_allclose(curve.gradient, curve.x - 1, atol=1e-9)


def test_a_scale_multiplies_value_and_gradient() -> None:
    one = along_probability(task_loss(THREE), THREE, 0)
    two = along_probability(task_loss(THREE).with_scale(2.5), THREE, 0)
    np.testing.assert_allclose(two.value, one.times(2.5).value)
    np.testing.assert_allclose(two.slope, 2.5 * one.slope)


def test_squared_error_is_a_parabola_in_the_residual_at_every_target() -> None:
    for target in (0.0, 1.0):
        curve = along_residual(task_loss(REAL), REAL, target)
        np.testing.assert_allclose(curve.value, curve.x**2, atol=1e-12)
        np.testing.assert_allclose(curve.gradient, 2 * curve.x, atol=1e-12)


def test_terms_at_both_targets_are_the_expression() -> None:
    loss = SymbolicLoss(parse("square(sub(y, f))"), scale=3.0)
    for target in (0.0, 1.0):
        curve = along_term(loss, target)["found"]
        np.testing.assert_allclose(curve.value, 3 * (target - curve.x) ** 2)
        np.testing.assert_allclose(curve.gradient, -6 * (target - curve.x), atol=1e-12)


def test_the_usual_term_is_cross_entropys() -> None:
    loss = SymbolicLoss(parse("f"))
    at_one, at_zero = (along_term(loss, target)["task_loss"] for target in (1.0, 0.0))
    np.testing.assert_allclose(at_one.value, -np.log(at_one.x), rtol=1e-4)
    assert not at_zero.value.any()


def test_a_loss_without_the_prediction_has_gradient_zero() -> None:
    assert not along_term(SymbolicLoss(parse("y")), 1.0)["found"].gradient.any()


@pytest.mark.parametrize("problem", [THREE, TWO, REAL])
def test_a_key_gives_back_its_handcrafted_loss(problem: Problem) -> None:
    losses = catalogue(problem)
    assert len(losses) > 5
    for loss in losses:
        again = handcrafted_loss(loss.key, problem)
        assert isinstance(again, HandcraftedLoss)
        assert again == loss
