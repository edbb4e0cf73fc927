from __future__ import annotations

from autoloss_gp.evomal import EvoMAL
from autoloss_gp.gp_lfl import GPLFL


def test_it_differs_from_evomal_in_tuning_alone() -> None:
    assert GPLFL.Config().model_dump() == EvoMAL.Config().model_dump()
    assert (EvoMAL.default_evaluator, EvoMAL.tuned) == ("bilevel", True)
    assert (GPLFL.default_evaluator, GPLFL.tuned) == ("partial-training", False)
