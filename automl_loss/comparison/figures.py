"""Draw figures that compare strategies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from automl_loss.comparison.analysis import TASK_LOSS, Setting
from automl_loss.comparison.cell import DONE, CellRecord
from automl_loss.comparison.loss_figure import draw_losses

_COLOURS = (
    "#ee7733",
    "#0077bb",
    "#009988",
    "#cc3311",
    "#33bbee",
    "#ee3377",
    "#aa4499",
    "#999933",
    "#44aa99",
    "#332288",
)
"""Paul Tol's vibrant scheme, and some of his muted one."""
_GREY = "#777777"
_WIDTH = 4.2


def draw(
    data: Mapping[str, Any], settings: Sequence[Setting], records: Sequence[CellRecord]
) -> Iterator[tuple[str, Figure, str]]:
    """Yield name, figure and caption of each figure that the finished cells allow."""
    done = [record for record in records if record.status == DONE]
    if not done:
        return
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(data["strategies"])} | {
        TASK_LOSS: _GREY
    }
    yield (
        data["judge"], _values(settings, data["strategies"], colours, data["judge"]),
        f"{data['judge'].capitalize()} metric of each unit, an independent split and a whole search; bar: the mean.",
    )  # fmt: skip
    for axis, label in (("candidates", "candidates tuned or trained"), ("steps", "steps of training and exact tuning"),
                        ("seconds", "seconds of training and tuning")):  # fmt: skip
        yield (
            f"fitness-by-{axis}", _fitness(settings, done, data["strategies"], colours, axis, label),
            f"Best fitness so far against {label}: mean over units, with the range of the middle half.",
        )  # fmt: skip
    yield (
        "filters",
        _filters(done, data["strategies"]),
        "What became of the candidates that were asked, by strategy.",
    )
    yield (
        "cost", _cost(done, data["strategies"], colours),
        "Cost of one search: steps of training and of exact tuning, and seconds of the whole search. "
        "Amortised tuning and filters take no steps of their own, but seconds.",
    )  # fmt: skip
    yield (
        "learning-rates", _rates(settings, done, data["strategies"], colours),
        "Validation metric of the retrained loss at each learning rate tried, mean over units; task loss dashed.",
    )  # fmt: skip
    losses = draw_losses(settings, done, colours)
    if losses is not None:
        yield (
            "losses", losses,
            "Losses found, one a strategy: that of the unit in the middle by its metric. Each is multiplied by one "
            "constant, so that its gradients are as large as the task loss's on average, and starts at 0; below 0 the "
            "gradient raises the output. The other classes share the rest of the probability.",
        )  # fmt: skip
    rest = _critical_difference(settings, data["strategies"])
    if rest is not None:
        yield (
            "critical-difference", rest,
            "Mean ranks over settings; strategies under one bar are not told apart by Nemenyi's test. An illustration: "
            "the tests are in the tables.",
        )  # fmt: skip


def _grid(settings: Sequence[Setting], height: float = 3.0) -> tuple[Figure, list[Axes]]:
    columns = min(3, len(settings))
    rows = -(-len(settings) // columns)
    figure = Figure(figsize=(_WIDTH * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for unused in axes[len(settings) :]:
        unused.set_visible(False)
    for one, setting in zip(axes, settings, strict=False):
        one.set_title(setting.name, fontsize=10)
        one.spines[["top", "right"]].set_visible(False)
    return figure, list(axes[: len(settings)])


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    handles: dict[str, Any] = {}
    for one in axes:
        handles |= dict(zip(*reversed(one.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def _values(
    settings: Sequence[Setting], strategies: Sequence[str], colours: Mapping[str, str], judge: str
) -> Figure:
    names = [*strategies, TASK_LOSS]
    figure, axes = _grid(settings, 1.2 + 0.28 * len(names))
    for one, setting in zip(axes, settings, strict=True):
        for place, name in enumerate(reversed(names)):
            values = [setting.shown(value) for value in setting.values[name].values()]
            if values:
                one.plot(values, [place] * len(values), "o", color=colours[name], alpha=0.5, markersize=4)
                one.plot([np.mean(values)] * 2, [place - 0.3, place + 0.3], color=colours[name], linewidth=2)
        one.set_yticks(range(len(names)), list(reversed(names)), fontsize=8)
        one.set_xlabel(f"{judge} {setting.metric}")
    return figure


def _of(records: Sequence[CellRecord], setting: Setting, strategy: str) -> list[Mapping[str, Any]]:
    place = (setting.task, setting.model, strategy)
    own = [
        record for record in records if (record.cell.task, record.cell.model, record.cell.strategy) == place
    ]
    return [record.data for record in own if record.data is not None]


def _fitness(
    settings: Sequence[Setting], records: Sequence[CellRecord], strategies: Sequence[str], colours: Mapping[str, str],
    axis: str, label: str,
) -> Figure:  # fmt: skip
    figure, axes = _grid(settings)
    for one, setting in zip(axes, settings, strict=True):
        late: list[float] = []
        for name in strategies:
            traces = [cell["trace"] for cell in _of(records, setting, name) if cell["trace"]["best"]]
            if not traces:
                continue
            first = max(trace[axis][0] for trace in traces)
            last = max(trace[axis][-1] for trace in traces)
            at = np.linspace(first, last, 200) if last > first else np.array([first])
            lines = np.array([_steps(trace[axis], trace["best"], at) for trace in traces])
            one.plot(at, lines.mean(0), color=colours[name], label=name, linewidth=1.6)
            late += lines.mean(0)[len(at) // 10 :].tolist()
            if len(lines) > 2:
                low, high = np.quantile(lines, (0.25, 0.75), axis=0)
                one.fill_between(at, low, high, color=colours[name], alpha=0.12, linewidth=0)
        usual = [cell["task_loss_fitness"] for s in strategies for cell in _of(records, setting, s)]
        found = [value for value in usual if value is not None]
        if found:
            one.axhline(float(np.mean(found)), color=_GREY, linestyle="--", linewidth=1, label=TASK_LOSS)
            late.append(float(np.mean(found)))
        if late:
            # The first values of a search are far off; axes that show them would hide the differences at the end.
            low, high = np.quantile(late, (0.02, 0.9))
            reach = high - low or abs(high) or 1.0
            one.set_ylim(low - 0.25 * reach, high + 0.5 * reach)
        one.set_xlabel(label)
        one.set_ylabel(f"validation {setting.metric}")
    _legend(figure, axes)
    return figure


def _steps(
    places: Sequence[float], values: Sequence[float], at: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    index = np.searchsorted(places, at, side="right") - 1
    return np.asarray(values)[np.clip(index, 0, len(values) - 1)]


_FATES = {
    "trained": "#bbbbbb",
    "seen before": "#88ccee",
    "equal gradients": "#44aa99",
    "no gradient": "#ddcc77",
    "cannot fit free outputs": "#999933",
    "strategy's own filter": "#ee8866",
    "diverged": "#cc6677",
    "pruned": "#aa4499",
}
_FILTERS = {
    "equivalence": "seen before",
    "gradient_equivalence": "equal gradients",
    "gradient": "no gradient",
    "rejection": "cannot fit free outputs",
    "strategy": "strategy's own filter",
}


def _fates(search: Mapping[str, Any]) -> dict[str, float]:
    """Return the shares of a search's candidates by fate."""
    counts = {fate: search[fate] for fate in ("diverged", "pruned")} | {"trained": search["evaluated"]}
    for hits in search["filter_hits"]:
        for name, count in hits.items():
            counts[_FILTERS[name]] = counts.get(_FILTERS[name], 0) + count
    return {fate: counts.get(fate, 0) / max(1, sum(counts.values())) for fate in _FATES}


def _filters(records: Sequence[CellRecord], strategies: Sequence[str]) -> Figure:
    figure = Figure(figsize=(7, 1.2 + 0.35 * len(strategies)), layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate(reversed(strategies)):
        cells = [_fates(r.data["search"]) for r in records if r.data is not None and r.cell.strategy == name]
        left = 0.0
        for fate, colour in _FATES.items():
            share = float(np.mean([cell[fate] for cell in cells])) if cells else 0.0
            axes.barh(place, share, left=left, color=colour, label=fate if place == 0 else None)
            left += share
    axes.set_yticks(range(len(strategies)), list(reversed(strategies)))
    axes.set_xlabel("share of the candidates asked")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _cost(records: Sequence[CellRecord], strategies: Sequence[str], colours: Mapping[str, str]) -> Figure:
    figure = Figure(figsize=(8, 1.2 + 0.3 * len(strategies)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for place, name in enumerate(reversed(strategies)):
        cells = [r.data for r in records if r.data is not None and r.cell.strategy == name]
        if cells:
            axes[0].barh(place, float(np.mean([cell["steps"] for cell in cells])), color=colours[name])
            axes[1].barh(
                place, float(np.mean([cell["search"]["seconds"] for cell in cells])), color=colours[name]
            )
    axes[0].set_yticks(range(len(strategies)), list(reversed(strategies)))
    axes[0].set_xlabel("training-step equivalents a search")
    axes[1].set_xlabel("seconds a search")
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure


def _rates(
    settings: Sequence[Setting],
    records: Sequence[CellRecord],
    strategies: Sequence[str],
    colours: Mapping[str, str],
) -> Figure:
    figure, axes = _grid(settings)
    for one, setting in zip(axes, settings, strict=True):
        shown = []
        for name in strategies:
            cells = _of(records, setting, name)
            shown += _rate_line(one, [cell["lr_tried"] for cell in cells], colours[name], "-", name)
        everyone = [cell["task_loss_lr_tried"] for name in strategies for cell in _of(records, setting, name)]
        shown += _rate_line(one, everyone, _GREY, "--", TASK_LOSS)
        if shown:
            low, high = min(shown), float(np.quantile(shown, 0.8))
            one.set_ylim(low - 0.1 * (high - low + 1e-9), high + 0.2 * (high - low + 1e-9))
        one.set_xscale("log")
        one.set_xlabel("learning rate")
        one.set_ylabel(f"validation {setting.metric}")
    _legend(figure, axes)
    return figure


def _rate_line(
    axes: Axes, tables: Sequence[Sequence[Sequence[Any]]], colour: str, style: str, label: str
) -> list[float]:
    by_rate: dict[float, list[float]] = {}
    for table in tables:
        for lr, value in table:
            if value is not None:
                by_rate.setdefault(round(lr, 12), []).append(value)
    rates = sorted(rate for rate, values in by_rate.items() if 2 * len(values) >= len(tables))
    means = [float(np.mean(by_rate[rate])) for rate in rates]
    if rates:
        axes.plot(rates, means, style, color=colour, label=label, linewidth=1.4, marker=".", markersize=4)
    return means


def _critical_difference(settings: Sequence[Setting], strategies: Sequence[str]) -> Figure | None:
    """Draw ranks over settings; needs three strategies with all settings, and two settings."""
    whole = [name for name in strategies if all(setting.values[name] for setting in settings)]
    if len(whole) < 3 or len(settings) < 3:
        return None
    import pandas
    import scikit_posthocs

    means = pandas.DataFrame(
        [[float(np.mean(list(setting.values[name].values()))) for name in whole] for setting in settings],
        columns=whole,
    )
    ranks = means.rank(axis=1).mean()
    differences = scikit_posthocs.posthoc_nemenyi_friedman(means.to_numpy())
    differences.index = differences.columns = whole
    figure = Figure(figsize=(7, 1.2 + 0.25 * len(whole)), layout="constrained")
    scikit_posthocs.critical_difference_diagram(ranks, differences, ax=figure.subplots())
    return figure
