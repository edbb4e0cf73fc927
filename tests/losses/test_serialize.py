"""Losses to JSON and back."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.expressions import FLOATS, expressions

from automl_loss.errors import ExpressionError
from automl_loss.expression import Expression, Primitive, parse, standard_primitives
from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.losses import (
    HandcraftedLoss,
    Problem,
    SymbolicLoss,
    catalogue,
    loss_from_json,
    published_losses,
)

symbolic_losses = expressions(numbers=FLOATS, max_leaves=6).flatmap(
    lambda tree: st.builds(
        SymbolicLoss,
        st.just(tree),
        weights=st.just(()) | st.lists(FLOATS, min_size=tree.size, max_size=tree.size).map(tuple),
        scale=FLOATS,
        activation=st.sampled_from(("identity", "softplus")),
        weighted=st.booleans(),
    )
)


def bits(loss: SymbolicLoss) -> list[str]:
    constants = [node.primitive.value or 0.0 for node in loss.expression.nodes()]
    return [number.hex() for number in (*loss.weights, loss.scale, *constants)]


@settings(deadline=None)
@given(symbolic_losses)
def test_a_symbolic_loss_survives_json_bit_for_bit(loss: SymbolicLoss) -> None:
    read = loss_from_json(json.loads(json.dumps(loss.to_json(), allow_nan=False)))
    assert read == loss
    assert isinstance(read, SymbolicLoss)
    assert bits(read) == bits(loss)


@given(st.floats(0.01, 100), FLOATS)
def test_a_handcrafted_loss_survives_json_bit_for_bit(delta: float, scale: float) -> None:
    loss = HandcraftedLoss("huber", "regression", {"delta": delta}, scale)
    read = loss_from_json(json.loads(json.dumps(loss.to_json())))
    assert read == loss
    assert isinstance(read, HandcraftedLoss)
    assert (dict(read.parameters)["delta"].hex(), read.scale.hex()) == (delta.hex(), scale.hex())


def test_the_whole_catalogue_survives_json() -> None:
    for problem in (
        Problem.classification((2,), 3),
        Problem.classification((2,), 2),
        Problem.regression((2,)),
    ):
        for loss in (*catalogue(problem), *published_losses(problem)):
            assert loss_from_json(json.loads(json.dumps(loss.to_json()))) == loss


class Own(PrimitiveSet):
    """One word of its own, and `log` in another sense."""

    @property
    def functions(self) -> tuple[Primitive, ...]:
        return Primitive("cube", 1, lambda x: x**3), Primitive("log", 1, torch.log1p)

    @property
    def terminals(self) -> tuple[Primitive, ...]:
        return standard_primitives("f")


def test_words_of_a_plugins_set_are_read_with_that_set() -> None:
    data = SymbolicLoss(parse("cube(log(f))", Own())).to_json()
    for words in (Own(), [*Own().functions, *Own().terminals]):
        loss = loss_from_json(data, words)
        assert isinstance(loss, SymbolicLoss)
        f = torch.tensor([0.5])
        torch.testing.assert_close(loss.value(f, f), torch.log1p(f) ** 3)
    with pytest.raises(ExpressionError, match=r"no primitive 'cube'.*install the plugin and name the set"):
        loss_from_json(data)


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown kind of loss 'spectral'; accepted are 'symbolic'"):
        loss_from_json({"kind": "spectral"})


def test_a_set_without_standard_words_reads_standard_losses_too() -> None:
    loss = SymbolicLoss(Expression(standard_primitives("y")[0]))
    assert loss_from_json(loss.to_json(), Own()) == loss
