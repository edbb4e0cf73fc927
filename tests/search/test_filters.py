from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from support.engines import loss_of, make_engine
from support.executors import Inline

from automl_loss.engine.engine import Engine
from automl_loss.plugins.candidate import Candidate
from automl_loss.recipe.core_sections import FilterSettings
from automl_loss.record.workers import Workers
from automl_loss.search.filters import Screen, Verdict

CROSS_ENTROPY = "mul(-1, mul(y, log(f)))"
SQUARES = "square(sub(y, f))"
ABSOLUTE = "abs(sub(y, f))"
WRONG_SIGN = "mul(y, log(f))"
SAME_FOR_ALL_CLASSES = "add(f, tanh(y))"
WITHOUT_F = "add(y, tanh(y))"
SHIFTED = "add(y, mul(-1, mul(y, log(f))))"
DOUBLED = "sub(mul(-1, mul(y, log(f))), mul(y, log(f)))"
ALL_OFF = dict.fromkeys(("equivalence", "gradient", "rejection", "gradient_equivalence"), False)


class Measuring(Inline):
    """Remembers the losses that it was given to measure."""

    @property
    def measured(self) -> list[Any]:
        return [loss for chunk in self.items for loss in chunk]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return make_engine()


@pytest.fixture
def executor() -> Measuring:
    return Measuring()


@pytest.fixture
def make(engine: Engine, executor: Measuring) -> Callable[..., Screen]:
    def build(chunk: int = 4, source: Engine = engine, **settings: Any) -> Screen:
        return Screen(FilterSettings(**settings), source, Workers(executor), chunk)

    return build


def asked(*texts: str, first: int = 1, **options: Any) -> list[Candidate]:
    return [Candidate(i, loss_of(text), 0, **options) for i, text in enumerate(texts, start=first)]


def ids(candidates: Iterable[Candidate]) -> list[int]:
    return [candidate.id for candidate in candidates]


def test_good_losses_pass_in_the_order_of_asking(make: Callable[..., Screen]) -> None:
    verdict = make().screen(asked(ABSOLUTE, CROSS_ENTROPY, SQUARES))
    assert ids(verdict.survivors) == [1, 2, 3]
    assert not verdict.rejected
    assert not verdict.source
    assert not verdict.hits


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_each_filter_takes_out_its_case_and_counts_it_whatever_the_chunks(
    make: Callable[..., Screen], chunk: int
) -> None:
    verdict = make(chunk).screen(
        asked(CROSS_ENTROPY, "mul(mul(log(f), y), -1)", SAME_FOR_ALL_CLASSES, WRONG_SIGN, SHIFTED, SQUARES)
    )
    assert ids(verdict.survivors) == [1, 6]
    assert verdict.source == {2: 1, 5: 1}
    assert set(verdict.rejected) == {3, 4}
    assert verdict.hits == {"equivalence": 1, "gradient": 1, "rejection": 1, "gradient_equivalence": 1}


@pytest.mark.parametrize("text", [SAME_FOR_ALL_CLASSES, WITHOUT_F, "f"])
def test_a_loss_whose_gradient_vanishes_in_the_softmax_is_rejected_with_the_figure(
    make: Callable[..., Screen], text: str
) -> None:
    verdict = make().screen(asked(text))
    assert "gradient with respect to the raw outputs is" in verdict.rejected[1]
    assert verdict.hits == {"gradient": 1}


def test_a_loss_whose_gradient_is_not_finite_is_rejected(make: Callable[..., Screen]) -> None:
    huge = Candidate(1, loss_of("square(sub(y, f))", weights=(1e30, 1e30, 1.0, 1.0)), 0)
    verdict = make().screen([huge])
    assert verdict.hits == {"gradient": 1}
    assert "inf" in verdict.rejected[1] or "nan" in verdict.rejected[1]


@pytest.mark.parametrize("text", [WRONG_SIGN, "mul(-1, square(sub(y, f)))", "mul(y, f)"])
def test_a_loss_that_leads_away_from_the_targets_is_rejected(make: Callable[..., Screen], text: str) -> None:
    verdict = make().screen(asked(text))
    assert "optimising free outputs under it changed the metric by" in verdict.rejected[1]
    assert verdict.hits == {"rejection": 1}


def test_more_improvement_may_be_asked_for(make: Callable[..., Screen]) -> None:
    assert make(rejection_threshold=1.0).screen(asked(CROSS_ENTROPY)).hits == {"rejection": 1}


@pytest.mark.parametrize("text", [SHIFTED, DOUBLED])
def test_a_loss_with_the_gradients_of_an_earlier_one_shares_its_outcome(
    make: Callable[..., Screen], text: str
) -> None:
    screen = make()
    assert loss_of(text).key != loss_of(CROSS_ENTROPY).key
    assert ids(screen.screen(asked(CROSS_ENTROPY)).survivors) == [1]
    verdict = screen.screen(asked(text, first=2))
    assert (verdict.source, verdict.hits) == ({2: 1}, {"gradient_equivalence": 1})


def test_losses_whose_gradients_differ_by_more_than_their_size_are_not_equivalent(
    make: Callable[..., Screen],
) -> None:
    known = [
        CROSS_ENTROPY,
        SQUARES,
        ABSOLUTE,
        "mul(-1, mul(y, sqrt(f)))",
        "mul(mul(-1, y), mul(log(f), sub(1, f)))",
    ]
    assert ids(make().screen(asked(*known)).survivors) == [1, 2, 3, 4, 5]


def test_losses_that_differ_only_on_confident_predictions_are_not_equivalent(
    make: Callable[..., Screen],
) -> None:
    # Equal to cross-entropy while no prediction is above exp(-0.3) = 0.74, as none of a fresh network is.
    text = "max(mul(-1, mul(y, log(f))), 1)"
    clipped = Candidate(2, loss_of(text, weights=(1.0,) * 7 + (0.3,)), 0)
    assert ids(make().screen([*asked(CROSS_ENTROPY), clipped]).survivors) == [1, 2]


def test_at_free_scale_a_doubled_loss_is_another_one(make: Callable[..., Screen]) -> None:
    screen = make(source=make_engine(training={"scale": "free"}))
    assert ids(screen.screen(asked(CROSS_ENTROPY, DOUBLED, SHIFTED)).survivors) == [1, 2]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("equivalence", "mul(mul(log(f), y), -1)"),
        ("gradient", SAME_FOR_ALL_CLASSES),
        ("rejection", WRONG_SIGN),
        ("gradient_equivalence", SHIFTED),
    ],
)
def test_each_filter_can_be_switched_off(make: Callable[..., Screen], name: str, text: str) -> None:
    hits = [make(**settings).screen(asked(CROSS_ENTROPY, text)).hits for settings in ({}, {name: False})]
    assert hits[0] == {name: 1}
    assert name not in hits[1]


def test_with_all_filters_off_everything_passes(make: Callable[..., Screen]) -> None:
    texts = (CROSS_ENTROPY, CROSS_ENTROPY, SAME_FOR_ALL_CLASSES, WRONG_SIGN, SHIFTED)
    verdict = make(**ALL_OFF).screen(asked(*texts))
    assert ids(verdict.survivors) == [1, 2, 3, 4, 5]
    assert not verdict.hits


def test_other_overrides_make_another_candidate(make: Callable[..., Screen]) -> None:
    screen = make()
    first = asked(CROSS_ENTROPY, overrides={"lr": 0.1})
    other = asked(CROSS_ENTROPY, SHIFTED, first=2, overrides={"lr": 0.3})
    assert ids(screen.screen(first).survivors) == [1]
    verdict = screen.screen(other)
    assert ids(verdict.survivors) == [2]
    assert verdict.source == {3: 2}
    assert screen.screen(asked(CROSS_ENTROPY, first=4, overrides={"lr": 0.1})).source == {4: 1}


def test_the_first_of_a_generation_is_kept_whichever_it_is(make: Callable[..., Screen]) -> None:
    for texts in ((CROSS_ENTROPY, SHIFTED, DOUBLED), (DOUBLED, CROSS_ENTROPY, SHIFTED)):
        verdict = make().screen(asked(*texts))
        assert ids(verdict.survivors) == [1]
        assert verdict.source == {2: 1, 3: 1}


def test_a_twin_of_a_rejected_loss_shares_the_rejection_and_is_not_measured(
    make: Callable[..., Screen], executor: Measuring
) -> None:
    screen = make()
    assert set(screen.screen(asked(WRONG_SIGN)).rejected) == {1}
    executor.items.clear()
    verdict = screen.screen(asked("mul(log(f), y)", first=2))
    assert (verdict.source, executor.measured) == ({2: 1}, [])


def test_nothing_is_measured_twice(make: Callable[..., Screen], executor: Measuring) -> None:
    screen = make()
    screen.screen(asked(CROSS_ENTROPY, SQUARES, "square(sub(f, y))", CROSS_ENTROPY, WRONG_SIGN))
    screen.screen(asked(SQUARES, ABSOLUTE, WRONG_SIGN, first=6))
    texts = [str(loss.expression) for loss in executor.measured]
    assert sorted(texts) == sorted({CROSS_ENTROPY, SQUARES, WRONG_SIGN, ABSOLUTE})


def test_what_a_strategy_rejects_itself_is_neither_measured_nor_known(
    make: Callable[..., Screen], executor: Measuring
) -> None:
    screen = make()
    verdict = screen.screen(asked(CROSS_ENTROPY, rejected="not to my taste"))
    assert verdict.rejected == {1: "not to my taste"}
    assert verdict.hits == {"strategy": 1}
    assert executor.measured == []
    assert ids(screen.screen(asked(CROSS_ENTROPY, first=2)).survivors) == [2]


def test_an_empty_generation_gives_an_empty_verdict(make: Callable[..., Screen]) -> None:
    verdict = make().screen([])
    assert verdict == Verdict()
