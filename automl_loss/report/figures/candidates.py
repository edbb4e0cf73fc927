"""Draw figures of the candidates: complexity and primitives."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from automl_loss.record.run_reader import Trial
from automl_loss.report.figures.axis_limits import limits
from automl_loss.report.run_view import RunView
from automl_loss.report.style import DASHES, FAINT, INK, ROLES, legend_above, new_figure

_WORD = re.compile(r"-?\w+(?:\.\w+)?")
_SHARE = 0.1


def complexity_front(run: RunView) -> tuple[Figure, str] | None:
    """Draw fitness against complexity, and mark the losses that no simpler one equals."""
    ranked = run.ranked
    if not ranked:
        return None
    unit = run.unit
    figure = new_figure()
    axes = figure.subplots()
    x = np.array([t.complexity for t in ranked])
    y = unit.factor * np.array([t.fitness for t in ranked], dtype=float)
    axes.plot(x, y, "o", color=FAINT, alpha=0.45, markersize=4, mew=0, label="candidates")
    front = pareto_front(ranked)
    heights = [unit.factor * (t.fitness or 0.0) for t in front]
    axes.step([t.complexity for t in front], heights, where="post", color=ROLES["found"], linewidth=1.2)
    axes.plot(
        [t.complexity for t in front],
        heights,
        "o",
        color=ROLES["found"],
        markersize=5,
        label="best for its size",
    )
    shown = [heights[-1]]
    base = run.task_loss
    if base is not None and base.fitness is not None:
        shown.append(unit.factor * base.fitness)
        axes.axhline(shown[-1], color=ROLES["task_loss"], linestyle=DASHES["task_loss"], label="task loss")
    best = None if run.result is None else run.result["best"].get("id")
    returned = next((t for t in ranked if t.id == best), None)
    if returned is not None and returned.fitness is not None:
        shown.append(unit.factor * returned.fitness)
        axes.plot(returned.complexity, shown[-1], "o", ms=12, mfc="none", mec=INK, mew=1.3, label="returned")
    bounds, hidden = limits(y, shown, lower_is_better=run.lower_is_better)
    axes.set_ylim(*bounds)
    axes.set_xlabel("complexity (nodes of the expression, or parameters)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(unit.label("validation"))
    legend_above(figure, axes, columns=2)
    caption = (
        "Trained candidates of the search. The line joins those that no loss of the same or a smaller size beats; "
        "where it is flat, the extra size bought nothing."
    )
    return figure, caption + (f" {hidden} worse candidates lie beyond the frame." if hidden else "")


def pareto_front(ranked: Sequence[Trial]) -> list[Trial]:
    """Return the losses that no other of the same or a smaller size beats, simplest first.

    Args:
        ranked: the losses, best first.
    """
    front: list[Trial] = []
    best = len(ranked)
    for place, trial in sorted(enumerate(ranked), key=lambda entry: (entry[1].complexity, entry[0])):
        if place < best and (not front or trial.fitness != front[-1].fitness):
            front.append(trial)
            best = place
    return front


def primitive_shares(run: RunView) -> tuple[Figure, str] | None:
    """Draw the share of losses that contain each primitive: among the best tenth, and among all."""
    asked = _words({t.key: t for t in run.candidates}.values())
    trained = list({t.key: t for t in reversed(run.ranked)}.values())[::-1]
    best = _words(trained[: max(1, round(_SHARE * len(trained)))])
    if len(asked) < 2 or not best:
        return None
    among_all, among_best = (_shares(losses) for losses in (asked, best))
    names = sorted(among_all, key=lambda name: (among_best[name], among_all[name], name))
    figure = new_figure(height=1.1 + 0.24 * len(names))
    axes = figure.subplots()
    rows = range(len(names))
    axes.hlines(
        rows, [among_all[n] for n in names], [among_best[n] for n in names], color=FAINT, linewidth=1.2
    )
    axes.plot(
        [among_all[n] for n in names], rows, "o", color=FAINT, markersize=6, label=f"all {len(asked)} losses"
    )
    label = f"best tenth ({len(best)} loss{'es' if len(best) > 1 else ''})"
    axes.plot([among_best[n] for n in names], rows, "o", color=ROLES["found"], markersize=6, label=label)
    axes.set_yticks(rows, names)
    axes.set_xlim(-3, 103)
    axes.set_xlabel("share of losses that hold it (%)")
    legend_above(figure, axes)
    return figure, (
        "Losses that differ by formula, each counted once. The best descend from one another, so that they share "
        "primitives is no proof that these are what makes them good."
    )


def _words(trials: Iterable[Trial]) -> list[frozenset[str]]:
    """Return the primitives of each symbolic loss; a loss is symbolic if its expression contains f."""
    losses = (frozenset(_WORD.findall(trial.expression)) for trial in trials)
    return [words for words in losses if "f" in words]


def _shares(losses: Sequence[frozenset[str]]) -> defaultdict[str, float]:
    counts = Counter(word for words in losses for word in words)
    return defaultdict(float, {word: 100.0 * count / len(losses) for word, count in counts.items()})
