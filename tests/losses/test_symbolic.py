"""The symbolic loss: weights, scale, activation, identity."""

from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.expressions import chain, expressions, points, weights_of
from torch.nn import functional

from automl_loss.expression import parse
from automl_loss.losses import SymbolicLoss

POINTS = points()
Y, F = POINTS["y"], POINTS["f"]


def test_weights_multiply_nodes_and_the_scale_stays_outside() -> None:
    loss = SymbolicLoss(parse("square(sub(y, f))"), (0.5, 2.0, 1.0, 3.0), scale=7.0)
    torch.testing.assert_close(loss.value(F, Y), 0.5 * (2 * (Y - 3 * F)) ** 2)
    other = torch.tensor([1.0, 1.0, 2.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(loss.value(F, Y, other), (2 * Y - F) ** 2)


def test_softplus_makes_the_weighted_root_positive() -> None:
    loss = SymbolicLoss(parse("sub(y, f)"), (2.0, 1.0, 1.0), activation="softplus")
    value = loss.value(F, Y)
    torch.testing.assert_close(value, functional.softplus(2 * (Y - F)))
    assert (value >= 0).all()


@settings(deadline=None)
@given(expressions().flatmap(lambda tree: st.tuples(st.just(tree), weights_of(tree))))
def test_losses_can_be_pickled_compared_and_hashed(drawn: tuple) -> None:  # type: ignore[type-arg]
    tree, weights = drawn
    loss = SymbolicLoss(tree, weights, scale=2.0)
    key = loss.key
    twin = pickle.loads(pickle.dumps(loss))
    assert twin == loss
    assert hash(twin) == hash(loss)
    assert twin.key == key
    torch.testing.assert_close(twin.value(F, Y), loss.value(F, Y), equal_nan=True, rtol=0, atol=0)
    assert loss.with_scale(3.0) != loss
    assert loss.with_scale(3.0).with_scale(2.0) == loss
    assert SymbolicLoss(tree).with_weights(weights).with_scale(2.0) == loss


def test_no_weights_means_ones() -> None:
    tree = parse("mul(y, log(f))")
    loss = SymbolicLoss(tree)
    assert loss.weights == (1.0, 1.0, 1.0, 1.0)
    assert loss == SymbolicLoss(tree, (1, 1, 1, 1))
    assert loss.complexity == 4
    assert loss.space == "prediction"


def test_the_key_ignores_weights_and_scale_but_not_activation_and_tuning() -> None:
    tree = parse("add(sub(f, f), y)")
    keys = {
        SymbolicLoss(tree).key,
        SymbolicLoss(tree, (2.0,) * 5, scale=3.0).key,
        SymbolicLoss(parse("add(y, sub(f, f))")).key,
    }
    assert len(keys) == 1
    assert SymbolicLoss(tree, weighted=False).key == "y"
    assert SymbolicLoss(tree, weighted=False, activation="softplus").key == "softplus(y)"
    assert "y" not in keys


def test_mistakes_are_named() -> None:
    tree = parse("square(f)")
    with pytest.raises(ValueError, match=r"square\(f\) has 2 nodes and needs as many weights but got 3"):
        SymbolicLoss(tree, (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="must be 'identity' or 'softplus' but got 'relu'"):
        SymbolicLoss(tree, activation="relu")  # type: ignore[arg-type]


def test_the_program_carries_the_activation() -> None:
    for activation, flag in (("identity", False), ("softplus", True)):
        program = SymbolicLoss(parse("sub(y, f)"), activation=activation).program  # type: ignore[arg-type]
        assert program is not None
        assert (len(program), program.softplus) == (3, flag)


def test_latex_folds_in_the_weights() -> None:
    assert SymbolicLoss(parse("square(sub(y, f))")).latex == r"\left(y - f\right)^{2}"
    weighted = SymbolicLoss(parse("mul(y, f)"), (0.5, 1.0, 1.0), activation="softplus")
    assert weighted.latex == r"\log\left(1 + e^{0.5 y f}\right)"


def test_a_chain_of_hundreds_of_nodes_is_no_burden() -> None:
    tree = chain(400)
    loss = SymbolicLoss(tree, (0.9,) * tree.size)
    assert pickle.loads(pickle.dumps(loss)) == loss
    assert loss.key == pickle.loads(pickle.dumps(loss)).key
    assert loss.program is not None
    assert loss.value(F, Y).isfinite().all()
