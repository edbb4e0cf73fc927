"""The figures of calibration against references written out by hand."""

# ruff: noqa: D103

import numpy as np
import pytest
import torch
from autoloss_extras._calibration import calibration

from automl_loss import Problem


@pytest.mark.parametrize("classes", [2, 4])
def test_nll_and_ece_are_what_a_loop_over_rows_and_bins_gives(classes):
    rng = np.random.default_rng(0)
    problem = Problem.classification((3,), classes)
    raw, target = 2 * rng.normal(size=(300, problem.output_dim)), rng.integers(classes, size=300)
    full = np.hstack([np.zeros((300, 1)), raw]) if classes == 2 else raw
    p = np.exp(full) / np.exp(full).sum(1, keepdims=True)
    error = 0.0
    for low in np.arange(10) / 10:
        rows = (p.max(1) >= low) & (p.max(1) < low + 0.1)
        if rows.any():
            error += rows.mean() * abs((p[rows].argmax(1) == target[rows]).mean() - p[rows].max(1).mean())
    found = calibration(torch.tensor(raw), torch.tensor(target), problem, bins=10)
    assert found["ece"] == pytest.approx(error, rel=1e-9)
    assert found["nll"] == pytest.approx(-np.log(p[np.arange(300), target]).mean(), rel=1e-9)


def test_bias_and_slope_are_of_the_line_through_target_and_prediction():
    rng = np.random.default_rng(1)
    prediction = rng.normal(size=(200, 1))
    target = 0.7 * prediction + 0.2 + 0.1 * rng.normal(size=(200, 1))
    found = calibration(torch.tensor(prediction), torch.tensor(target), Problem.regression((3,)), bins=10)
    slope, _ = np.polyfit(prediction[:, 0], target[:, 0], 1)
    assert found["slope"] == pytest.approx(slope, rel=1e-9)
    assert found["bias"] == pytest.approx((target - prediction).mean(), rel=1e-9)
    flat = calibration(torch.zeros(5, 1), torch.ones(5, 1), Problem.regression((3,)), bins=10)
    assert flat == {"bias": 1.0, "slope": 0.0}
