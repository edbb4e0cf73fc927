"""The statistics: how sure a difference is, within one run and over the units of a comparison.

**Within a run**: two losses, each trained on several seeds and judged on the same rows. Seeds and rows are crossed:
every seed's network predicts every test row. A value of one seed on one row is modelled as

    difference[s, r] = mean + seed effect[s] + row effect[r] + interaction[s, r]

and the mean over both varies with the seeds and with the rows that were drawn. So each is resampled on its
own, and the two variances are added, which counts the interaction twice: the interval is a little too wide
rather than too narrow (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007, shows that no
resampling of crossed data is exact). With few seeds a percentile interval is far too narrow (simulated, seed
effects alone: 73 % coverage for 3 seeds and 90 % for 10, where 95 % are claimed), so the interval is
Student's, with the degrees of freedom of Welch and Satterthwaite (simulated: 92 % and more).

**Over units**: the unit is an independent split together with a whole search. Re-splits of one data set share rows, so
their differences are not independent, and an ordinary t test or Wilcoxon's claims far too much. Nadeau and Bengio
("Inference for the generalization error", Machine Learning 2003) add to the variance of the mean what the overlap
gives: (1/n + test rows / training rows) s^2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from automl_loss.errors import EvaluationError

_CONFIDENCE = 0.95
_SMALLEST_P = 1e-4
_FEWEST_DEFINED = 0.5

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Difference:
    """A difference of two means with its uncertainty.

    Args:
        mean: the first minus the second.
        ci95: interval at the level 0.95.
        p_value: two-sided, of no difference; under 0.05 exactly when `ci95` excludes 0.
        test: how interval and p-value came about.
        error: standard error of the mean.
        freedom: its degrees of freedom; 0 where nothing was tested.
    """

    mean: float
    ci95: tuple[float, float]
    p_value: float
    test: str
    error: float = 0.0
    freedom: float = 0.0


@dataclass(frozen=True)
class _Source:
    """One source of variation: what was drawn, how many, and the variance of the mean from drawing them."""

    name: str
    count: int
    variance: float


def paired_difference(one: npt.ArrayLike, other: npt.ArrayLike) -> Difference:
    """Difference of two means over seeds and rows, paired in both.

    The variance from resampling seeds (or rows) of a mean has a closed form, the sample variance of the
    seeds' (rows') means over their number, which is the limit of infinitely many resamples.

    Args:
        one: `(seeds, rows)` values, e.g. 0 where a network of the first loss is right and 1 where it is
            wrong.
        other: `(seeds, rows)` values of the second, same seeds and rows.

    Returns:
        `one` minus `other`. With one seed alone it speaks of the rows only, and says so.

    Raises:
        ValueError: the shapes differ or are not two-dimensional, or a value is not finite.

    Example:
        >>> paired_difference([[0, 1, 1], [0, 1, 1]], [[0, 1, 1], [0, 1, 1]]).p_value
        1.0
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 2 or first.size == 0:
        raise ValueError(
            f"expected two (seeds, rows) arrays of one shape but got {first.shape} and {second.shape}."
        )
    values = first - second
    if not np.isfinite(values).all():
        raise ValueError(
            f"expected finite values but {np.count_nonzero(~np.isfinite(values))} differences are not."
        )
    sources = [
        _Source(name, len(means), float(np.var(means, ddof=1) / len(means)))
        for name, means in (("seeds", values.mean(axis=1)), ("test rows", values.mean(axis=0)))
        if len(means) > 1
    ]
    return _judge(float(values.mean()), sources, "")


def paired_difference_of(
    difference: Callable[[Indices, Indices], float],
    seeds: int,
    rows: int,
    rng: np.random.Generator,
    resamples: int = 1000,
) -> Difference:
    """The same for a metric that is no mean over rows, by bootstrap.

    One fewer than there are is drawn, with replacement, so that the variance is unbiased for few seeds, too
    (Rao and Wu, JASA 1988).

    Args:
        difference: the metric of the first minus that of the second, given `(n,)` indices of seeds and `(m,)`
            of rows, with repetitions; not a number where the metric is undefined, e.g. without a row of some
            class.
        seeds: number of seeds.
        rows: number of rows.
        rng: draws the resamples.
        resamples: of seeds, and as many of rows; a thousand give the standard error to about 2 %.

    Raises:
        EvaluationError: the metric is undefined on all seeds and rows, or on most resamples.
    """
    everyone, everything = np.arange(seeds), np.arange(rows)
    mean = float(difference(everyone, everything))
    if not np.isfinite(mean):
        raise EvaluationError(
            f"the metric gives {mean} on the {rows} test rows; choose another metric or more rows."
        )
    plans: dict[str, tuple[int, Callable[[Indices], tuple[Indices, Indices]]]] = {
        "seeds": (seeds, lambda chosen: (chosen, everything)),
        "test rows": (rows, lambda chosen: (everyone, chosen)),
    }
    sources, undefined = [], 0
    for name, (count, plan) in plans.items():
        if count > 1:
            drawn = [difference(*plan(rng.integers(count, size=count - 1))) for _ in range(resamples)]
            values = np.array(drawn)[np.isfinite(drawn)]
            if len(values) < _FEWEST_DEFINED * resamples:
                raise EvaluationError(
                    f"the metric is undefined on {resamples - len(values)} of {resamples} resamples of "
                    f"{count} {name}; "
                    f"choose another metric or more test rows."
                )
            undefined += resamples - len(values)
            sources.append(_Source(name, count, float(np.var(values, ddof=1))))
    how = f", from {resamples:,} resamples each"
    return _judge(mean, sources, how + (f" ({undefined} were undefined and left out)" if undefined else ""))


def _judge(mean: float, sources: list[_Source], how: str) -> Difference:
    """Student's interval from independent sources of variation."""
    if not sources:
        return Difference(mean, (-np.inf, np.inf), 1.0, "none: one seed and one test row")
    variance = sum(source.variance for source in sources)
    names = " and ".join(f"{source.count:,} {source.name}" for source in sources)
    if variance == 0.0:
        p_value = 1.0 if mean == 0.0 else _SMALLEST_P
        return Difference(mean, (mean, mean), p_value, f"none: the difference is the same on all {names}")
    freedom = variance**2 / sum(source.variance**2 / (source.count - 1) for source in sources)
    error = variance**0.5
    ci95, p_value = _student(mean, error, freedom)
    alone = "; one seed, so nothing is said of others" if all(s.name != "seeds" for s in sources) else ""
    test = f"t test, variance over {names}{how}, {freedom:.1f} degrees of freedom{alone}"
    return Difference(mean, ci95, p_value, test, error, freedom)


def _student(mean: float, error: float, freedom: float) -> tuple[tuple[float, float], float]:
    """Interval and two-sided p-value."""
    from scipy import stats

    half = float(stats.t.ppf(0.5 + _CONFIDENCE / 2, freedom)) * error
    p_value = max(2.0 * float(stats.t.sf(abs(mean) / error, freedom)), _SMALLEST_P)
    return (mean - half, mean + half), p_value


def combined(differences: Sequence[Difference], factors: Sequence[float]) -> Difference:
    """The mean of independent differences, each times a factor that is taken as known.

    Args:
        differences: as `paired_difference` gives them.
        factors: one each.

    Returns:
        Student's interval with the degrees of freedom of Welch and Satterthwaite.
    """
    count = len(differences)
    mean = sum(d.mean * f for d, f in zip(differences, factors, strict=True)) / count
    parts = [(d.error * f / count) ** 2 for d, f in zip(differences, factors, strict=True)]
    variance = sum(parts)
    if not np.isfinite(mean):
        return Difference(float("nan"), (float("nan"), float("nan")), 1.0, "none: a run diverged")
    if variance == 0.0:
        test = f"none: the difference is the same on all seeds and rows of {count} tasks"
        return Difference(mean, (mean, mean), 1.0 if mean == 0.0 else _SMALLEST_P, test)
    spread = sum(p**2 / d.freedom for p, d in zip(parts, differences, strict=True) if p)
    freedom = variance**2 / spread
    ci95, p_value = _student(mean, variance**0.5, freedom)
    test = f"t test on the mean over {count} tasks, their variances added, {freedom:.1f} degrees of freedom"
    return Difference(mean, ci95, p_value, test, variance**0.5, freedom)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for how many there are (Holm, Scandinavian Journal of Statistics 1979).

    Rejecting where the corrected value is under a level keeps the chance of any false claim under that level,
    however the tests depend on each other.

    Args:
        p_values: of a family of tests.

    Returns:
        The corrected values in the same order.

    Example:
        >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests

    corrected: list[float] = multipletests(p_values, method="holm")[1].tolist()
    return corrected


# Over units

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
