from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from automl_loss.errors import EvaluationError
from automl_loss.final.statistics import holm, paired_difference, paired_difference_of

Array = npt.NDArray[np.float64]


def crossed(rng: np.random.Generator, seeds: int, rows: int, spread: tuple[float, float, float]) -> Array:
    """Values with seed effects, row effects and interactions of these standard deviations, mean 0."""
    by_seed, by_row, both = spread
    return (
        by_seed * rng.normal(size=(seeds, 1))
        + by_row * rng.normal(size=(1, rows))
        + both * rng.normal(size=(seeds, rows))
    )


def indexed(values: Array) -> Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], float]:
    return lambda seeds, rows: float(values[np.ix_(seeds, rows)].mean())


def test_the_mean_is_the_first_minus_the_second() -> None:
    one, other = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 0.0], [1.0, 1.0]])
    assert paired_difference(one, other).mean == np.mean(one) - np.mean(other) == 2.25


def test_seed_effects_alone_give_the_paired_t_test_over_seeds() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 8, 1)) * np.ones((2, 8, 50)) + np.array([0.7, 0.0])[:, None, None]
    found, known = paired_difference(one, other), stats.ttest_rel(one[:, 0], other[:, 0])
    interval = known.confidence_interval(0.95)
    assert found.p_value == pytest.approx(known.pvalue, rel=1e-9)
    assert found.ci95 == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_one_seed_gives_the_paired_t_test_over_rows_and_says_so() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 1, 40))
    found, known = paired_difference(one, other), stats.ttest_rel(one[0], other[0])
    assert found.p_value == pytest.approx(known.pvalue, rel=1e-9)
    assert "one seed, so nothing is said of others" in found.test
    assert "40 test rows" in found.test


def test_identical_losses_differ_by_nothing() -> None:
    values = np.random.default_rng(2).normal(size=(5, 30))
    found = paired_difference(values, values)
    assert (found.mean, found.ci95, found.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_a_difference_without_any_spread_never_has_a_p_value_of_zero() -> None:
    found = paired_difference(np.ones((3, 4)), np.zeros((3, 4)))
    assert found.ci95 == (1.0, 1.0)
    assert 0 < found.p_value <= 1e-4
    assert "the same on all 3 seeds and 4 test rows" in found.test


def test_one_number_supports_nothing() -> None:
    found = paired_difference([[1.0]], [[0.0]])
    assert (found.ci95, found.p_value) == ((-np.inf, np.inf), 1.0)


def test_a_p_value_is_never_zero() -> None:
    rng = np.random.default_rng(3)
    assert paired_difference(rng.normal(size=(10, 200)) + 1000, np.zeros((10, 200))).p_value == 1e-4


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.1, 0.2, 0.3, 0.5])
def test_the_p_value_is_under_five_percent_exactly_when_the_interval_excludes_zero(shift: float) -> None:
    rng = np.random.default_rng(4)
    verdicts = []
    for _ in range(40):
        found = paired_difference(crossed(rng, 4, 30, (0.2, 0.3, 1.0)) + shift, np.zeros((4, 30)))
        verdicts.append((found.p_value < 0.05, not found.ci95[0] <= 0 <= found.ci95[1]))
        assert found.ci95[0] < found.mean < found.ci95[1]
    assert [a for a, _ in verdicts] == [b for _, b in verdicts]


@pytest.mark.parametrize("spread", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.3, 1.0, 1.0)])
def test_resampling_a_mean_agrees_with_its_closed_form(spread: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(5)
    values = crossed(rng, 6, 80, spread)
    exact = paired_difference(values, np.zeros_like(values))
    drawn = paired_difference_of(indexed(values), 6, 80, rng, resamples=4000)
    assert drawn.mean == pytest.approx(exact.mean)
    width = exact.ci95[1] - exact.ci95[0]
    assert drawn.ci95[1] - drawn.ci95[0] == pytest.approx(width, rel=0.1)
    assert "4,000 resamples" in drawn.test


def test_the_same_generator_gives_the_same_interval() -> None:
    values = crossed(np.random.default_rng(6), 3, 20, (1.0, 1.0, 1.0))
    one, two = (
        paired_difference_of(indexed(values), 3, 20, np.random.default_rng(7), resamples=50) for _ in range(2)
    )
    assert one == two


def test_undefined_resamples_are_left_out_and_counted() -> None:
    values = np.random.default_rng(8).normal(size=(3, 20))

    def undefined_without_row_0(seeds: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> float:
        return indexed(values)(seeds, rows) if 0 in rows else float("nan")

    found = paired_difference_of(undefined_without_row_0, 3, 20, np.random.default_rng(9), resamples=500)
    assert np.isfinite(found.ci95).all()
    share = int(found.test.split("(")[1].split()[0]) / 500
    assert share == pytest.approx((1 - 1 / 20) ** 19, abs=0.1)


def test_a_metric_that_is_mostly_undefined_is_an_error() -> None:
    rng = np.random.default_rng(10)
    with pytest.raises(EvaluationError, match="gives nan on the 9 test rows"):
        paired_difference_of(lambda seeds, rows: float("nan"), 3, 9, rng)
    with pytest.raises(EvaluationError, match="undefined on 100 of 100 resamples of 9 test rows"):
        paired_difference_of(
            lambda seeds, rows: 0.1 if len(set(rows)) == 9 else float("nan"), 3, 9, rng, resamples=100
        )


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (np.zeros((2, 3)), np.zeros((2, 4)), r"\(2, 3\) and \(2, 4\)"),
        (np.zeros(3), np.zeros(3), r"\(3,\)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), r"\(0, 3\)"),
        (np.array([[np.nan, 0.0]]), np.zeros((1, 2)), "1 differences are not"),
    ],
)
def test_wrong_arrays_are_refused(one: Array, other: Array, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        paired_difference(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize(
    "spread", [(0.1, 1.0, 1.0), (0.5, 1.0, 1.0), (1.0, 0.1, 0.1), (0.0, 0.0, 1.0), (0.1, 0.0, 1.0)]
)
def test_intervals_cover_the_truth_as_often_as_they_claim(
    seeds: int, spread: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(11)
    zeros = np.zeros((seeds, 200))
    intervals = [paired_difference(crossed(rng, seeds, 200, spread), zeros).ci95 for _ in range(2000)]
    coverage = np.mean([low <= 0 <= high for low, high in intervals])
    # The 95 % claimed, less what Satterthwaite's approximation and 2,000 simulations may cost.
    assert coverage > 0.92


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 5):
        p_values = rng.uniform(0.0, 0.4, size=count).tolist()
        families = [some for size in range(1, count + 1) for some in combinations(range(count), size)]
        # A hypothesis is rejected when every family that it belongs to is, by Bonferroni.
        expected = [
            max(min(1.0, len(some) * min(p_values[j] for j in some)) for some in families if i in some)
            for i in range(count)
        ]
        assert holm(p_values) == pytest.approx(expected)
