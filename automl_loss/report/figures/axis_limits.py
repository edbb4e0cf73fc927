"""Choose axis limits for a figure of many values, some of them far off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_KEPT = 0.5
_MARGIN = 0.06


def limits(
    values: npt.NDArray[np.float64], shown: Sequence[float], *, lower_is_better: bool
) -> tuple[tuple[float, float], int]:
    """Choose limits of an axis that leave out extremely bad values, so that the others stay distinguishable.

    Args:
        values: `(candidates,)` values of the metric.
        shown: values that must lie within the limits.
        lower_is_better: whether the bad values are the high ones.

    Returns:
        Lower and upper limit, and how many values lie beyond. At least half lie within.
    """
    sign = 1.0 if lower_is_better else -1.0
    inner = sign * np.asarray(values)
    must = sign * np.asarray(shown)
    low = min(inner.min(), must.min())
    usual = float(np.quantile(inner, _KEPT, method="higher"))
    # Worse than the values to show, leave three times their distance from the best, if there are values that bad.
    high = max(usual, must.max(), min(inner.max(), low + 4.0 * (must.max() - low)))
    margin = _MARGIN * (high - low) or _MARGIN * abs(high) or 1.0
    beyond = int((inner > high + margin).sum())
    ends = sorted((sign * (low - margin), sign * (high + margin)))
    return (ends[0], ends[1]), beyond
