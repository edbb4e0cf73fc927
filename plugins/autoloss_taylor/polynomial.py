r"""Compute the derivative of a Taylor loss at the uniform prediction, and the invariant's bound on it.

L is what TaylorGLO maximises (arXiv 2002.00059): the loss is the mean over the batch of -sum over classes of L, and

    dL/df (y, f) = sum over i + j <= k, j >= 1 of  t_ij / (i! (j - 1)!) (y - t0)^i (f - t1)^(j - 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial

from automl_loss import taylor_powers


def slope(parameters: Sequence[float], degree: int, target: float, prediction: float) -> float:
    """Compute dL/df at one point.

    Args:
        parameters: t0, t1, and one for each of `taylor_powers(degree)`.
        degree: k, at least 1.
        target: value of y.
        prediction: value of f.
    """
    centre_y, centre_f, *rest = parameters
    return sum(
        value
        / (factorial(i) * factorial(j - 1))
        * (target - centre_y) ** i
        * (prediction - centre_f) ** (j - 1)
        for (i, j), value in zip(taylor_powers(degree), rest, strict=True)
    )


def pull(parameters: Sequence[float], degree: int, classes: int) -> float:
    """Compute dL/df of the true class minus that of another, at the uniform prediction.

    For k = 3 this is cy + cyy + chy / n in the notation of arXiv 2010.00788: training from the uniform prediction
    raises the true class's probability exactly when it is positive. With two classes and one raw output it means that
    the classes are pushed apart; both may be pushed to one side.
    """
    uniform = 1.0 / classes
    return slope(parameters, degree, 1.0, uniform) - slope(parameters, degree, 0.0, uniform)


def published_bound(parameters: Sequence[float], degree: int, classes: int) -> float:
    """Compute the published lower bound of `pull`: (n - 2) (c1 + ch / n + chh / n^2)."""
    return (classes - 2) * slope(parameters, degree, 0.0, 1.0 / classes)
