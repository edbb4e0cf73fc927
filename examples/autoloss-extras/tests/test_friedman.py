"""What the task promises beyond the laws of a task."""

# ruff: noqa: D103

import numpy as np
import pytest
from autoloss_extras.friedman import Friedman


def make(**options):
    return Friedman(Friedman.Config(**options))


def test_the_first_function_is_friedmans():
    task = make(noise=0.0, train=2000)
    train, test = task.splits(0).train, task.test(0)
    # Features are uniform on 0 to 1 but standardised; undone up to the sampling error of mean and deviation.
    x = test.x / np.sqrt(12) + 0.5
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    assert np.corrcoef(y, test.y[:, 0])[0, 1] > 0.999
    assert len(train) == 2000


@pytest.mark.parametrize("function", [1, 2, 3])
def test_features_and_noiseless_targets_are_standard_on_the_training_rows_alone(function):
    task = make(function=function, noise=0.0)
    splits, test = task.splits(1), task.test(1)
    for values in (splits.train.x, splits.train.y):
        assert np.allclose(values.mean(0), 0, atol=1e-5)
        assert np.allclose(values.std(0), 1, atol=1e-5)
    assert not np.allclose(test.x.mean(0), 0, atol=1e-5)
    assert not np.allclose(splits.validation.x.std(0), 1, atol=1e-5)


def test_noise_falls_on_training_and_validation_and_not_on_test():
    clean, gaussian, heavy = make(noise=0.0), make(noise=0.5), make(noise=0.5, degrees=1.0)
    assert np.array_equal(clean.test(2).y, gaussian.test(2).y)
    for part in ("train", "validation"):
        truth = getattr(clean.splits(2), part).y
        added = getattr(gaussian.splits(2), part).y - truth
        assert added.std() == pytest.approx(0.5, rel=0.15)
        assert np.abs(getattr(heavy.splits(2), part).y - truth).max() > 10 * 0.5


def test_each_seed_draws_other_rows():
    task = make()
    assert not np.isin(task.splits(0).train.x[:, 0], task.splits(1).train.x[:, 0]).any()
