"""The kernels' exp, log, log1p and tanh against extended precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest

from automl_loss.engine.kernels import _elementary

Row = npt.NDArray[np.floating[Any]]


def apply(function: Callable[[Any], Any], x: Row) -> Row:
    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def loop(x: Any, out: Any) -> None:
        for k in range(len(x)):
            out[k] = function(x[k])

    out = np.empty_like(x)
    loop(x, out)
    return out


def spread(low: float, high: float, dtype: type) -> Row:
    """Both signs as far as they are in range, magnitudes from tiny to the ends."""
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(low, high, 20_000), 10.0 ** rng.uniform(-30, 2, 20_000)])
    points = np.concatenate([points, -points])
    return points[(points >= low) & (points <= high)].astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("exp", -80.0, 85.0), ("log", 1e-30, 1e30), ("log1p", 0.0, 1e9), ("tanh", -30, 30)],
)
def test_results_are_within_three_units_in_the_last_place(
    name: str, low: float, high: float, dtype: type
) -> None:
    x = spread(low, high, dtype)
    assert len(x) > 20_000
    exact = getattr(np, name)(x.astype(np.longdouble))
    error = np.abs(apply(getattr(_elementary, name), x) - exact) / np.spacing(np.abs(exact).astype(dtype))
    assert float(error.max()) < 3.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "points", "expected"),
    [
        ("exp", [np.nan, np.inf, -np.inf, 1e4, -1e4, 0.0], [np.nan, np.inf, 0.0, np.inf, 0.0, 1.0]),
        ("log", [np.nan, np.inf, 1.0], [np.nan, np.inf, 0.0]),
        ("log1p", [np.nan, np.inf, 0.0], [np.nan, np.inf, 0.0]),
        ("tanh", [np.nan, np.inf, -np.inf, 0.0, 1e30], [np.nan, 1.0, -1.0, 0.0, 1.0]),
    ],
)
def test_special_values_are_those_of_the_standard(
    name: str, points: list[float], expected: list[float], dtype: type
) -> None:
    result = apply(getattr(_elementary, name), np.array(points, dtype=dtype))
    np.testing.assert_array_equal(result, np.array(expected, dtype=dtype))


def test_exp_underflows_gradually() -> None:
    x = np.array([-700.0, -720.0, -740.0, -745.0])
    np.testing.assert_allclose(apply(_elementary.exp, x), np.exp(x), rtol=0, atol=1e-323)
    assert (apply(_elementary.exp, x) > 0).all()
