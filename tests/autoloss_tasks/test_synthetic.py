"""Made data whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from autoloss_tasks.synthetic import GaussianNoise, HeavyTails, LaplaceNoise, QuantileNoise, RareClasses

LARGE = {"train": 20_000, "validation": 2, "test": 5_000}


def noise_of(kind: Any, **options: Any) -> np.ndarray:
    """What stands on the training targets: the same rows with and without."""
    noisy = kind(kind.Config(**LARGE, **options)).splits(0).train.y
    clean = kind(kind.Config(**LARGE, **{**options, "noise": 0.0})).splits(0).train.y
    return (noisy - clean).ravel().astype(np.float64) / 0.3


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        (GaussianNoise, stats.norm()),
        (LaplaceNoise, stats.laplace(scale=0.5**0.5)),
        (QuantileNoise, stats.expon(loc=-1.0)),
        (HeavyTails, stats.t(1.5)),
    ],
)
def test_the_noise_follows_its_law(kind: Any, law: Any) -> None:
    assert stats.kstest(noise_of(kind), law.cdf).pvalue > 0.01


@pytest.mark.parametrize("kind", [GaussianNoise, LaplaceNoise, HeavyTails])
def test_test_rows_carry_the_function_itself(kind: Any) -> None:
    one, other = (kind(kind.Config(noise=size)).test(0) for size in (0.0, 2.0))
    np.testing.assert_array_equal(one.y, other.y)


def test_a_quantile_is_judged_on_noisy_rows() -> None:
    one, other = (QuantileNoise(QuantileNoise.Config(noise=size)).test(0) for size in (0.0, 2.0))
    assert not np.array_equal(one.y, other.y)
    assert QuantileNoise(QuantileNoise.Config()).problem().metric == "pinball(0.9)"


@pytest.mark.parametrize("kind", [GaussianNoise, LaplaceNoise, QuantileNoise, HeavyTails, RareClasses])
def test_rows_are_a_function_of_the_seed_and_splits_share_none(kind: Any) -> None:
    task = kind(kind.Config())
    first, again, other = task.splits(1), task.splits(1), task.splits(2)
    np.testing.assert_array_equal(first.train.x, again.train.x)
    np.testing.assert_array_equal(first.train.y, again.train.y)
    assert not np.array_equal(first.train.x, other.train.x)
    rows = [bytes(row) for part in (first.train, first.validation, task.test(1)) for row in part.x]
    assert len(set(rows)) == len(rows)


def test_classes_are_rare_in_training_and_balanced_in_the_test() -> None:
    task = RareClasses(RareClasses.Config(train=2000, rarest=0.1))
    counts = np.bincount(task.splits(0).train.y)
    assert counts[-1] / counts[0] == pytest.approx(0.1, abs=0.01)
    assert (np.diff(counts) < 0).all()
    assert len(set(np.bincount(task.test(0).y))) == 1
    assert task.problem().metric == "balanced_error"


def test_classes_lie_where_they_should() -> None:
    split = RareClasses(RareClasses.Config(test=8000, distance=2.0)).test(0)
    centres = np.array([split.x[split.y == c].mean(0) for c in range(4)])
    np.testing.assert_allclose(centres[:, :2], [[2, 0], [0, 2], [-2, 0], [0, -2]], atol=0.1)
    np.testing.assert_allclose(centres[:, 2:], 0, atol=0.1)
