"""Where a figure of many values ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_KEPT = 0.5
_MARGIN = 0.06


def limits(
    values: npt.NDArray[np.float64], shown: Sequence[float], *, lower_is_better: bool
) -> tuple[tuple[float, float], int]:
    """Limits of an axis that a few hopeless values do not squeeze.

    Args:
        values: of all candidates.
        shown: values that must lie within.
        lower_is_better: which end the hopeless ones are at.

    Returns:
        Lower and upper limit, and how many values lie beyond. At least half lie within.
    """
    sign = 1.0 if lower_is_better else -1.0
    inner = sign * np.asarray(values)
    must = sign * np.asarray(shown)
    low = min(inner.min(), must.min())
    usual = float(np.quantile(inner, _KEPT, method="higher"))
    # Beyond the distance that matters, three times as much room for the worse, if there are so bad ones.
    high = max(usual, must.max(), min(inner.max(), low + 4.0 * (must.max() - low)))
    margin = _MARGIN * (high - low) or _MARGIN * abs(high) or 1.0
    beyond = int((inner > high + margin).sum())
    ends = sorted((sign * (low - margin), sign * (high + margin)))
    return (ends[0], ends[1]), beyond
