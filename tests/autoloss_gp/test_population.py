from __future__ import annotations

import pytest

from autoloss_gp.population import Novelty
from autoloss_gp.primitives import EvoMALPrimitives
from automl_loss import parse

PRIMITIVES = EvoMALPrimitives()


@pytest.mark.parametrize("weighted", [True, False])
def test_an_expression_is_new_once_however_its_arguments_are_ordered(weighted: bool) -> None:
    novelty = Novelty(weighted)
    assert novelty.claim(parse("mul(y, log(f))", PRIMITIVES))
    assert not novelty.claim(parse("mul(y, log(f))", PRIMITIVES))
    assert not novelty.claim(parse("mul(log(f), y)", PRIMITIVES))
    assert novelty.claim(parse("mul(f, log(y))", PRIMITIVES))


def test_equal_subtrees_cancel_only_where_nodes_carry_no_weights() -> None:
    difference, zero = (parse(text, PRIMITIVES) for text in ("add(mul(y, f), sub(f, f))", "mul(y, f)"))
    for weighted, is_new in ((True, True), (False, False)):
        novelty = Novelty(weighted)
        novelty.claim(zero)
        assert novelty.claim(difference) == is_new
