from __future__ import annotations

import baycomp
import numpy as np
import pytest
from scipy import stats

from automl_loss.final import statistics
from automl_loss.final.statistics import corrected_t, wilcoxon


def test_the_corrected_t_test_is_the_correlated_one_of_baycomp() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        differences = rng.normal(0.3, 1.0, 10)
        test = corrected_t(differences.tolist(), ratio=0.25)  # a fifth of the rows is tested on
        left, right = baycomp.CorrelatedTTest.probs(differences, np.zeros(10), rope=0, runs=2)
        assert test.p == pytest.approx(2 * min(left, right), rel=1e-6)


def test_without_shared_rows_it_is_the_paired_t_test_with_its_interval() -> None:
    values = [0.1, 0.4, -0.2, 0.3, 0.25]
    test = corrected_t(values, ratio=0.0)
    expected = stats.ttest_1samp(values, 0.0)
    assert test.p == pytest.approx(expected.pvalue)
    assert test.ci95 == pytest.approx(tuple(expected.confidence_interval()))
    assert test.test == "paired t test"


def _resplits(rng: np.random.Generator, units: int, seen: int = 4) -> np.ndarray:
    """Differences in error of two classifiers on re-splits of one data set of 150 rows, 80/20.

    One sees the first half of eight features, the other so many of the second; each puts a row to the nearer class
    mean. With four they are equally good.
    """
    y = rng.integers(0, 2, 150)
    x = rng.normal(size=(150, 8)) + 0.35 * (2 * y[:, None] - 1)
    differences = []
    for _ in range(units):
        order = rng.permutation(150)
        train, test = order[:120], order[120:]
        errors = []
        for part in (slice(0, 4), slice(4, 4 + seen)):
            means = [x[train][y[train] == c][:, part].mean(0) for c in (0, 1)]
            distance = [((x[test][:, part] - mean) ** 2).sum(1) for mean in means]
            errors.append(float(((distance[1] < distance[0]) != y[test]).mean()))
        differences.append(errors[0] - errors[1])
    return np.array(differences)


@pytest.mark.slow
def test_by_simulation_the_correction_holds_its_level_where_plain_tests_do_not() -> None:
    rng = np.random.default_rng(1)
    runs = [_resplits(rng, 10) for _ in range(200)]
    corrected = np.mean([corrected_t(d.tolist(), 0.25).p < 0.05 for d in runs])
    plain = np.mean([corrected_t(d.tolist(), 0.0).p < 0.05 for d in runs])
    ranks = np.mean([wilcoxon(d.tolist()).p < 0.05 for d in runs])
    covered = np.mean([
        interval[0] <= 0 <= interval[1] for d in runs if (interval := corrected_t(d.tolist(), 0.25).ci95)
    ])  # fmt: skip
    # Three standard errors of 200 runs are 0.046.
    assert corrected <= 0.05 + 0.046
    assert covered >= 0.95 - 0.046
    assert plain > 0.14
    assert ranks > 0.14


def test_by_simulation_a_real_difference_is_found_and_lies_within_the_interval() -> None:
    rng = np.random.default_rng(2)
    runs = [_resplits(rng, 10, seen=1) for _ in range(200)]
    truth = float(np.mean(runs))  # known to a few per cent of an interval's width
    tests = [corrected_t(d.tolist(), 0.25) for d in runs]
    assert np.mean([t.p < 0.05 for t in tests]) > 0.2
    assert all(t.mean < 0 for t in tests if t.p < 0.05)
    covered = np.mean([t.ci95[0] <= truth <= t.ci95[1] for t in tests if t.ci95])
    # Three standard errors of 200 runs are 0.046.
    assert covered >= 0.95 - 0.046


def test_wilcoxon_says_of_a_published_example_what_was_published() -> None:
    """Demsar, JMLR 7 (2006), table 2: AUC of C4.5 without and with tuned pruning on 14 data sets; z = -2.54."""
    plain = [763, 599, 954, 628, 882, 936, 661, 583, 775, 1000, 940, 619, 972, 957]
    tuned = [768, 591, 971, 661, 888, 931, 668, 583, 838, 1000, 962, 666, 981, 978]
    test = wilcoxon([(a - b) / 1000 for a, b in zip(plain, tuned, strict=True)])
    assert test.p == pytest.approx(2 * stats.norm.cdf(-2.54), rel=0.05)


def test_few_or_equal_units_claim_nothing() -> None:
    assert corrected_t([], 0.25).p == corrected_t([0.3], 0.25).p == corrected_t([0.3] * 10, 0.25).p == 1.0
    assert wilcoxon([0.0] * 10).p == 1.0
    assert wilcoxon([0.2]).to_json()["ci95"] is None


@pytest.mark.parametrize("pairs", [5, 6, 8, 10])
def test_the_smallest_p_is_what_scipy_gives_when_all_pairs_agree(pairs: int) -> None:
    best = wilcoxon(np.arange(1, pairs + 1).tolist()).p
    assert statistics.smallest_wilcoxon_p(pairs) == pytest.approx(best)


@pytest.mark.parametrize("family", [1, 2, 7, 35])
def test_units_needed_is_the_least_number_that_can_pass_holm_s_first_step(family: int) -> None:
    needed = statistics.units_needed(family)
    assert family * statistics.smallest_wilcoxon_p(needed) <= 0.05
    assert family * statistics.smallest_wilcoxon_p(needed - 1) > 0.05


def test_bayesian_signed_rank_knows_who_is_better_and_what_is_equal() -> None:
    usual = [0.2, 0.3, 0.1, 0.25, 0.4, 0.15, 0.3, 0.2]
    half = statistics.bayesian_signed_rank([v / 2 for v in usual], usual)
    assert half["better"] > 0.95
    twice = statistics.bayesian_signed_rank([v * 2 for v in usual], usual)
    assert twice["worse"] > 0.95
    same = statistics.bayesian_signed_rank([v * 1.01 for v in usual], usual)
    assert same["equal"] > 0.95
    assert sum(half.values()) == pytest.approx(1.0)


def test_interquartile_mean_and_probability_of_improvement_by_hand() -> None:
    assert statistics.interquartile_mean([100, 1, 2, 3, 4, 5, 6, -50]) == pytest.approx((2 + 3 + 4 + 5) / 4)
    chance = statistics.probability_of_improvement({"a": [1, 2], "b": [5]}, {"a": [2, 3], "b": [4]})
    assert chance == pytest.approx(((1 + 1 + 0.5 + 1) / 4 + 0) / 2)


def test_the_bootstrap_interval_covers_the_mean() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        values = {"a": rng.normal(1, 1, 12), "b": rng.normal(3, 1, 12)}
        low, high = statistics.stratified_interval(
            values, lambda drawn: float(np.mean([each.mean() for each in drawn.values()])), resamples=300
        )
        hits += low <= 2 <= high
    assert hits >= 85


def test_the_bootstrap_interval_of_resplits_is_as_wide_as_the_corrected_test_s() -> None:
    rng = np.random.default_rng(0)
    values = {"a": rng.normal(0, 1, 200)}
    low, high = statistics.stratified_interval(values, lambda drawn: float(drawn["a"].mean()), {"a": 0.25})
    wide = corrected_t(list(values["a"]), 0.25).ci95
    assert wide is not None
    assert (low, high) == pytest.approx(wide, rel=0.1)


def test_kendall_s_tau_is_none_where_nothing_varies() -> None:
    assert statistics.kendall_tau([1, 2, 3], [10, 20, 30]) == pytest.approx(1.0)
    assert statistics.kendall_tau([1, 1, 1], [1, 2, 3]) is None
    assert statistics.kendall_tau([1, 2], [1, 2]) is None
