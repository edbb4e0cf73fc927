"""Draw the course of the search: fitness, the fate of candidates, time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import accumulate

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from automl_loss.report.figures.axis_limits import limits
from automl_loss.report.names import FATE_NAMES, PHASE_NAMES, STAGE_NAMES
from automl_loss.report.run_view import RunView
from automl_loss.report.style import DASHES, FAINT, ROLES, STACK, legend_above, new_figure
from automl_loss.search.progress import OVERHEAD, overhead


def fitness_by_generation(run: RunView) -> tuple[Figure, str] | None:
    """Draw every trained candidate as a point, and the best so far and the task loss as lines."""
    points = [(t.generation, t.fitness) for t in run.candidates if t.fitness is not None]
    if not points:
        return None
    unit = run.unit
    best = max if not run.lower_is_better else min
    generations = range(max(t.generation for t in run.candidates) + 1)
    found = {g: [f for generation, f in points if generation == g] for g in generations}
    start = next(g for g in generations if found[g])
    first = best(found[start])
    so_far = list(accumulate((best(found[g], default=first) for g in generations[start:]), best))
    figure = new_figure()
    axes = figure.subplots()
    x, y = np.array([g for g, _ in points]), unit.factor * np.array([f for _, f in points])
    spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(x))
    axes.plot(x + spread, y, "o", color=FAINT, alpha=0.4, markersize=3.5, mew=0, label="candidates")
    line = [unit.factor * value for value in so_far]
    axes.step(generations[start:], line, where="post", color=ROLES["found"], label="best so far")
    axes.plot(generations[start:], line, "o", color=ROLES["found"], markersize=4)
    base = run.task_loss
    shown = list(line)
    if base is not None and base.fitness is not None:
        shown.append(unit.factor * base.fitness)
        axes.axhline(shown[-1], color=ROLES["task_loss"], linestyle=DASHES["task_loss"], label="task loss")
    bounds, hidden = limits(y, shown, lower_is_better=run.lower_is_better)
    axes.set_ylim(*bounds)
    axes.set_xlabel("generation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(unit.label("validation"))
    legend_above(figure, axes)
    caption = (
        "Validation metric in the short training of the search. The best of many runs is partly luck, so the line "
        "flatters; the final round repeats the best few on fresh seeds."
    )
    return figure, caption + (f" {hidden} worse candidates lie beyond the frame." if hidden else "")


def fate_of_candidates(run: RunView) -> tuple[Figure, str] | None:
    """Draw stacked bars: candidates of each generation that were trained, and those that each filter rejected."""
    if not run.candidates:
        return None
    fates = _fates(run)
    generations = sorted(fates)
    present = [fate for fate in FATE_NAMES if any(fates[g][fate] for g in generations)]
    figure = new_figure(height=3.6)
    axes = figure.subplots()
    bottom = np.zeros(len(generations))
    for fate, colour in zip(present, STACK * 2, strict=False):
        heights = np.array([fates[g][fate] for g in generations], dtype=float)
        axes.bar(generations, heights, bottom=bottom, color=colour, width=0.8, label=FATE_NAMES[fate])
        bottom += heights
    axes.set_xlabel("generation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("candidates")
    axes.grid(visible=False, axis="x")
    legend_above(figure, axes)
    return figure, (
        "Only what is trained costs time. Losses with the formula or the gradients of an earlier one share its "
        "outcome; those without a useful gradient, or under which free outputs cannot be trained, are dropped."
    )


def _fates(run: RunView) -> Mapping[int, Counter[str]]:
    """Count candidates by generation and fate; hits of single filters are known once there is a result."""
    by_status: dict[int, Counter[str]] = {}
    for trial in run.candidates:
        # A candidate that shares a rejected one's outcome counts as rejected; it was never trained itself.
        status = trial.status if trial.source_id is None or trial.status == "rejected" else "cached"
        by_status.setdefault(trial.generation, Counter())[status] += 1
    hits = [] if run.result is None else run.result["search"].get("filter_hits", [])
    # The budget may cut the last generation after the filters saw all of it.
    return {
        generation: _by_filter(statuses, hits[generation] if generation < len(hits) else {})
        for generation, statuses in by_status.items()
    }


def _by_filter(statuses: Counter[str], hits: Mapping[str, int]) -> Counter[str]:
    filtered = statuses["rejected"] + statuses["cached"]
    if sum(hits.values()) != filtered:
        return statuses
    kept = Counter({status: n for status, n in statuses.items() if status not in ("rejected", "cached")})
    return kept + Counter(hits)


def seconds_by_stage(run: RunView) -> tuple[Figure, str] | None:
    """Draw bars of the seconds that each stage of the search took; overhead in its own colour."""
    if run.result is None or not run.result["search"].get("profile"):
        return None
    search = run.result["search"]
    profile, workers = search["profile"], search.get("workers", 1)
    figure = _bars(profile, STAGE_NAMES, OVERHEAD)
    among = "" if workers == 1 else f" of {workers} workers together"
    return figure, (
        f"Seconds{among} by what they were spent on, in {search['seconds']:.0f} s of search. "
        f"{overhead(profile):.0%} was overhead: the bars in colour."
    )


def seconds_by_phase(run: RunView) -> tuple[Figure, str] | None:
    """Draw bars of the seconds that each phase of the run took."""
    if run.result is None or not run.result.get("phases"):
        return None
    figure = _bars(run.result["phases"], PHASE_NAMES, ())
    return figure, "Wall time by phase, the replay of a resumed run included."


def _bars(seconds: Mapping[str, float], names: Mapping[str, str], marked: Collection[str]) -> Figure:
    """Draw horizontal bars, the first at the top; those that are marked are in colour."""
    unit, name = (60, "minutes") if max(seconds.values(), default=0) > 180 else (1, "seconds")
    shown = [key for key in reversed(list(seconds)) if seconds[key] > 0]
    values = [seconds[key] / unit for key in shown]
    figure = new_figure(height=0.9 + 0.28 * len(shown))
    axes = figure.subplots()
    colours = [STACK[3] if key in marked else FAINT for key in shown]
    bars = axes.barh([names.get(key, key) for key in shown], values, color=colours, height=0.7)
    axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=3, fontsize=9)
    axes.margins(x=0.12)
    axes.set_xlabel(name)
    axes.grid(visible=False, axis="y")
    return figure
