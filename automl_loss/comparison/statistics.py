"""Tests between strategies. The unit is an independent split together with a whole search.

Re-splits of one data set share rows, so their differences are not independent, and an ordinary t test or Wilcoxon's
claims far too much. Nadeau and Bengio ("Inference for the generalization error", Machine Learning 2003) add to the
variance of the mean what the overlap gives: (1/n + test rows / training rows) s^2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

LEVEL = 0.05
ROPE = 0.1
"""Region of practical equivalence: relative differences up to so much count as none."""
_SAMPLES = 20_000

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class UnitTest:
    """A paired difference over units.

    Args:
        mean: of the differences.
        ci95: interval.
        p: two-sided.
        units: pairs.
        test: its name.
    """

    mean: float
    ci95: tuple[float, float] | None
    p: float
    units: int
    test: str

    def to_json(self) -> dict[str, object]:
        """Plain data; a number that is not finite becomes null."""
        data = asdict(self)
        if self.ci95 is None or not all(map(math.isfinite, self.ci95)):
            data["ci95"] = None
        return data


def corrected_t(differences: Sequence[float], ratio: float) -> UnitTest:
    """The corrected resampled t test.

    Args:
        differences: one a unit.
        ratio: test rows over the rows that a method learns from; 0 where units share no rows, which gives the
            ordinary paired t test.

    Example:
        >>> test = corrected_t([0.1, 0.2, 0.15, 0.12], ratio=0.25)
        >>> 0.03 < test.p < 0.05, test.units
        (True, 4)
    """
    from scipy import stats

    values = np.asarray(differences, dtype=np.float64)
    count = len(values)
    name = "paired t test" if ratio == 0 else "Nadeau-Bengio corrected t test"
    if count < 2:
        mean = float(values.mean()) if count else float("nan")
        return UnitTest(mean, None, 1.0, count, f"none: {count} unit(s), and two are the least")
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    if variance <= (1e-12 * mean) ** 2:
        # Units that agree exactly say nothing of their spread.
        return UnitTest(mean, None, 1.0, count, "none: the difference is the same in every unit")
    error = math.sqrt((1.0 / count + ratio) * variance)
    half = float(stats.t.ppf(0.975, count - 1)) * error
    p = 2.0 * float(stats.t.sf(abs(mean) / error, count - 1))
    return UnitTest(mean, (mean - half, mean + half), p, count, name)


def wilcoxon(differences: Sequence[float]) -> UnitTest:
    """Wilcoxon's signed-rank test, for pairs that are independent: fresh draws, or one pair a task."""
    from scipy import stats

    values = np.asarray(differences, dtype=np.float64)
    mean = float(values.mean()) if len(values) else float("nan")
    if len(values) < 2 or not np.any(values):
        return UnitTest(mean, None, 1.0, len(values), "none: too few pairs, or none differs")
    p = float(stats.wilcoxon(values).pvalue)
    return UnitTest(mean, None, p, len(values), "Wilcoxon signed-rank test")


def smallest_wilcoxon_p(pairs: int) -> float:
    """The smallest two-sided p that so many pairs can reach."""
    return min(1.0, 2.0 ** (1 - pairs))


def units_needed(family: int, level: float = LEVEL) -> int:
    """Pairs with which Wilcoxon's test can pass Holm's first step in a family of so many tests.

    Example:
        >>> units_needed(1), units_needed(20)
        (6, 10)
    """
    return max(2, math.ceil(1 + math.log2(max(1, family) / level)))


def bayesian_signed_rank(
    one: Sequence[float], other: Sequence[float], rope: float = ROPE
) -> dict[str, float]:
    """Probabilities that a method is practically better than, equal to or worse than another, over tasks.

    Args:
        one: means of the method, one a task, lower is better.
        other: of the other.
        rope: region of practical equivalence, of (one - other) / other.

    Source: Benavoli et al., ICML 2014, by baycomp.
    """
    import baycomp

    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    relative = (a - b) / np.where(b == 0.0, 1.0, b)
    # In baycomp's words the first wins where it is larger.
    worse, equal, better = baycomp.SignedRankTest.probs(
        relative, np.zeros_like(relative), rope=rope, nsamples=_SAMPLES, random_state=0
    )
    return {"better": float(better), "equal": float(equal), "worse": float(worse)}


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean of the middle half (Agarwal et al., NeurIPS 2021)."""
    from scipy import stats

    return float(stats.trim_mean(np.asarray(values, dtype=np.float64), 0.25))


def probability_of_improvement(
    one: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]]
) -> float:
    """Chance that a unit of one method is better (lower) than one of another on the same task, over tasks alike."""
    chances = []
    for task in one:
        a, b = np.asarray(one[task])[:, None], np.asarray(other[task])[None, :]
        chances.append(float(((a < b) + 0.5 * (a == b)).mean()))
    return float(np.mean(chances))


def stratified_interval(
    values: Mapping[str, Sequence[float]],
    statistic: Callable[[Mapping[str, Values]], float],
    ratios: Mapping[str, float] | None = None,
    resamples: int = 2000,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval, units resampled within each task.

    Re-splits share rows, and resampling takes them for independent. So each task's values are first spread about
    their mean by sqrt(1 + n ratio), which gives their mean the variance of Nadeau and Bengio.

    Args:
        values: by task, one a unit.
        statistic: of values by task.
        ratios: by task, rows judged on over the rows that methods learn from; 0, or none: no rows are shared.
        resamples: how many.
    """
    rng = np.random.default_rng(0)
    as_they_are = {task: np.asarray(each, dtype=np.float64) for task, each in values.items()}
    arrays = {
        task: each.mean() + (each - each.mean()) * math.sqrt(1 + len(each) * (ratios or {}).get(task, 0.0))
        for task, each in as_they_are.items()
    }
    drawn = [
        statistic({task: each[rng.integers(len(each), size=len(each))] for task, each in arrays.items()})
        for _ in range(resamples)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975)) + statistic(as_they_are) - statistic(arrays)
    return float(low), float(high)


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Rank correlation; `None` where one of them does not vary."""
    from scipy import stats

    if len(first) < 3 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return float(stats.kendalltau(first, second).statistic)
