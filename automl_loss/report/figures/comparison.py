"""Draw figures of the final comparison: test values and learning rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from automl_loss.report.figures.axis_limits import limits
from automl_loss.report.names import ROLE_NAMES, contestant_name
from automl_loss.report.run_view import RunView
from automl_loss.report.style import DASHES, INK, MARKERS, PAPER, ROLES, legend_above, new_figure

_ROOM = 0.6
"""Maximum widening of the frame by an interval at each side, as a share of the span of the values."""


def test_values(run: RunView) -> tuple[Figure, str] | None:
    """Draw a strip plot of the test metric of each seed, with mean and 95 % interval."""
    contestants = run.contestants()
    if not contestants:
        return None
    unit = run.unit
    figure = new_figure(height=1.3 + 0.6 * len(contestants))
    axes = figure.subplots()
    order = list(reversed(contestants))
    diverged = 0
    ends: list[float] = []
    drawn: list[float] = []
    for row, role in enumerate(order):
        values = [unit.factor * v for v in contestants[role]["values"] if v is not None]
        diverged += len(contestants[role]["values"]) - len(values)
        if not values:
            continue
        axes.plot(
            values, row + _spread(values), MARKERS[role], color=ROLES[role], alpha=0.45, markersize=5, mew=0
        )
        low, high = _interval(values)
        ends += (low, high)
        drawn += values
        axes.errorbar(
            fmean(values), row + 0.28, xerr=[[fmean(values) - low], [high - fmean(values)]], fmt="D", color=ROLES[role],
            markersize=6, markeredgecolor=INK, markeredgewidth=0.8, ecolor=INK, elinewidth=1.2, capsize=4,
        )  # fmt: skip
    if not drawn:
        return None
    reach = _ROOM * (max(drawn) - min(drawn)) or 1.0
    left, right = max(min(ends), min(drawn) - reach), min(max(ends), max(drawn) + reach)
    axes.set_xlim(min(left, *drawn) - 0.05 * reach, max(right, *drawn) + 0.05 * reach)
    cut = left > min(ends) or right < max(ends)
    names = [contestant_name(role, contestants[role]["loss"]) for role in order]
    axes.set_yticks(range(len(order)), names)
    axes.set_ylim(-0.45, len(order) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(unit.label("test"))
    count = max(len(entry["values"]) for entry in contestants.values())
    caption = (
        f"One mark for each of {count} fresh seeds, all judged on the same test rows, which nothing before had seen; "
        f"the diamond is the mean, with its 95 % t interval over seeds. That interval leaves out the chance of the "
        f"test rows; the one in the table has both."
    )
    unfit = any("not_finite_rows" in entry for entry in contestants.values())
    what = "runs without a finite metric" if unfit else "diverged runs"
    if cut:
        caption += " Intervals longer than the frame are cut off: there are too few seeds to say much."
    return figure, caption + (f" {diverged} {what} are not drawn." if diverged else "")


def _spread(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return heights at which equal values do not hide each other."""
    seen: dict[float, int] = {}
    heights = []
    for value in values:
        place = seen[value] = seen.get(value, -1) + 1
        heights.append(0.05 * (place // 2 + place % 2) * (-1) ** place)
    return np.array(heights) - 0.05


def _interval(values: Sequence[float]) -> tuple[float, float]:
    from scipy.stats import t

    if len(values) < 2:
        return values[0], values[0]
    reach = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - reach, fmean(values) + reach


def learning_rates(run: RunView) -> tuple[Figure, str] | None:
    """Draw the validation metric at every learning rate tried, and mark the chosen rates."""
    # Contestants that train on some of the validation rows choose on other rows, and are left out.
    contestants = {
        role: entry for role, entry in run.contestants().items() if entry["lr_tried"] and role in DASHES
    }
    if not contestants:
        return None
    unit = run.unit
    figure = new_figure()
    axes = figure.subplots()
    everything: list[float] = []
    best: list[float] = []
    for role, entry in contestants.items():
        tried = [(lr, unit.factor * value) for lr, value in entry["lr_tried"] if value is not None]
        if not tried:
            continue
        rates, values = zip(*tried, strict=True)
        axes.plot(
            rates, values, DASHES[role], marker=MARKERS[role], color=ROLES[role], label=ROLE_NAMES[role], markersize=5,
            markeredgecolor=PAPER, markeredgewidth=0.6,
        )  # fmt: skip
        chosen = dict(tried)[entry["lr"]]
        axes.plot(entry["lr"], chosen, "o", markersize=13, mfc="none", mec=ROLES[role], mew=1.6)
        everything += values
        best.append(chosen)
    if not best:
        return None
    bounds, hidden = limits(np.array(everything), best, lower_is_better=run.lower_is_better)
    axes.set_ylim(*bounds)
    _plain_log_ticks(axes, [lr for entry in contestants.values() for lr, _ in entry["lr_tried"]])
    axes.set_xlabel("learning rate")
    axes.set_ylabel(unit.label("validation"))
    legend_above(figure, axes)
    failed = sum(value is None for entry in contestants.values() for _, value in entry["lr_tried"])
    caption = (
        "A loss multiplied by ten is the same loss at ten times the learning rate, so each is judged at its own best "
        "rate (ringed), chosen on validation, on seeds that nothing else uses."
    )
    if hidden:
        caption += f" {hidden} worse rates lie beyond the frame."
    return figure, caption + (f" {failed} rates at which training diverged are not drawn." if failed else "")


def _plain_log_ticks(axes: Axes, rates: Sequence[float]) -> None:
    """Label powers of ten in full: 0.001, without a superscript."""
    axes.set_xscale("log")
    low, high = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))
    ticks = [10.0**power for power in range(low, high + 1)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(rates) / 1.5, max(rates) * 1.5)
