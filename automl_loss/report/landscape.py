"""Draw the figures of `autoloss landscape`: surfaces side by side, and the task loss's rise with the distance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from automl_loss.after.landscape import QUANTITIES
from automl_loss.record.atomic import writing
from automl_loss.record.run_directory import RunPaths
from automl_loss.report.metric_format import MetricFormat
from automl_loss.report.names import contestant_name
from automl_loss.report.style import (
    DASHES,
    INK,
    MARKERS,
    PAPER,
    ROLES,
    Drawing,
    applied,
    finish,
    legend_above,
    new_figure,
)

_LEVELS = 16
_KEPT = 0.97
"""Share of a surface's values that the colours distinguish; higher values have the last colour."""
_COLOURS = "viridis"

Floats = npt.NDArray[np.float64]


def write_landscape_figures(directory: Path, data: Mapping[str, Any]) -> list[Path]:
    """Draw a landscape into `landscape/` of a run directory, as PNG and SVG.

    Args:
        directory: the run directory.
        data: content of `landscape.json`.

    Returns:
        Paths of the PNG files.
    """
    folder = RunPaths(directory).landscape
    files = []
    with writing(folder):
        folder.mkdir(exist_ok=True)
        for drawing in draw_landscape(data):
            png = folder / f"{drawing.name}.png"
            png.write_bytes(drawing.png)
            (folder / f"{drawing.name}.svg").write_text(drawing.svg, encoding="utf-8")
            files.append(png)
    return files


def draw_landscape(data: Mapping[str, Any]) -> list[Drawing]:
    """Draw the surfaces, and the flatness.

    Args:
        data: content of `landscape.json`.
    """
    drawings = []
    for name, title, paint in (
        ("surfaces", "Loss surfaces around the minimum", _surfaces),
        ("flatness", "Rise with the distance from the minimum", _flatness),
    ):
        with applied(name):
            figure, caption = paint(data)
            drawings.append(finish(figure, name, title, caption))
    return drawings


def _surfaces(data: Mapping[str, Any]) -> tuple[Figure, str]:
    networks, unit = data["networks"], MetricFormat(data["metric"])
    figure = new_figure(height=7.6, width=6.2)
    panels = figure.subplots(len(QUANTITIES), len(networks), sharex=True, sharey=True, squeeze=False)
    labels = ("own loss\non training rows", "task loss\non validation rows", unit.label("validation"))
    for row, (quantity, label) in enumerate(zip(QUANTITIES, labels, strict=True)):
        factor = unit.factor if quantity == "validation_metric" else 1.0
        surfaces = [factor * _surface(network, quantity) for network in networks.values()]
        # Each network's own loss has a zero of its own; the other quantities share one scale.
        scales = [[one] for one in surfaces] if row == 0 else [surfaces] * len(surfaces)
        higher_is_better = quantity == "validation_metric" and not data["lower_is_better"]
        sign = -1.0 if higher_is_better else 1.0
        bars: dict[Any, Any] = {}
        for axes, surface, scale in zip(panels[row], surfaces, scales, strict=True):
            filled = _contours(axes, np.asarray(data["axis"]), sign * surface, sign * np.concatenate(scale))
            axes.set_box_aspect(1)
            axes.grid(visible=False)
            if filled is not None:
                bars[axes if row == 0 else "shared"] = filled
        for where, filled in bars.items():
            beside = list(panels[row]) if where == "shared" else where
            bar = figure.colorbar(filled, ax=beside, shrink=0.85, aspect=14, pad=0.03)
            ticks = filled.levels[::4]
            bar.set_ticks(list(ticks), labels=[f"{sign * tick:.3g}" for tick in ticks])
            bar.outline.set_visible(False)
        panels[row][0].set_ylabel(label)
    for axes, (role, network) in zip(panels[0], networks.items(), strict=True):
        axes.set_title(f"trained under the\n{contestant_name(role, network['loss'])}", color=ROLES[role])
    for axes in panels[-1]:
        axes.set_xlabel("filter-normalised steps")
    caption = (
        f"A network trained under each loss (centre) and what lies around it along two random directions, each filter "
        f"of which is as long as the network's own; at 1 a filter is changed by its own norm. The directions are the "
        f"same draws for both. Up to {max(data['rows'].values())} rows of each split; never test rows. The first row "
        f"has a scale of its own for each loss, as losses differ in unit and zero; each other row shares one. Colours "
        f"are finest near the best value. Two directions of {data['parameters']:,} show a section, not the whole."
    )
    return figure, caption


def _surface(network: Mapping[str, Any], quantity: str) -> Floats:
    """Return a quantity as `(grid, grid)` floats; NaN where the value was not finite."""
    return np.array(network["surfaces"][quantity], dtype=np.float64)


def _contours(axes: Axes, axis: Floats, surface: Floats, scale: Floats) -> Any:
    """Draw filled contours of a surface where lower is better, finest at the low end; `None` if nothing is finite.

    Args:
        axes: the axes to draw on.
        axis: `(grid,)` coordinates.
        surface: `(grid, grid)`.
        scale: values that the colours must distinguish.
    """
    axes.plot(0, 0, "+", color=PAPER, markersize=9, markeredgewidth=2.6, zorder=5)
    axes.plot(0, 0, "+", color=INK, markersize=8, markeredgewidth=1.2, zorder=6)
    finite = scale[np.isfinite(scale)]
    if not np.isfinite(surface).any():
        return None
    low, high = float(finite.min()), float(np.quantile(finite, _KEPT))
    if not high > low:
        low, high = low - 0.5, low + 0.5
    levels = low + (high - low) * np.linspace(0.0, 1.0, _LEVELS + 1) ** 2
    shown = np.ma.masked_invalid(surface)
    norm = PowerNorm(0.5, low, high)
    filled = axes.contourf(axis, axis, shown, levels=levels, norm=norm, cmap=_COLOURS, extend="max")
    axes.contour(axis, axis, shown, levels=levels[1::2], colors=PAPER, linewidths=0.4)
    return filled


def _flatness(data: Mapping[str, Any]) -> tuple[Figure, str]:
    unit = MetricFormat(data["metric"])
    figure = new_figure(height=3.3, width=6.2)
    panels = figure.subplots(1, 2)
    columns = (
        ("validation_task_loss", "rise of the task loss", 1.0),
        ("validation_metric", f"worsening of {unit.label('the').removeprefix('the ')}", unit.factor),
    )
    for axes, (quantity, label, factor) in zip(panels, columns, strict=True):
        for role, network in data["networks"].items():
            flat = network["flatness"]
            rise = factor * np.array(flat[quantity]["rise"], dtype=np.float64)
            radii = np.array([0.0, *flat["radii"]])
            rise = np.concatenate([np.zeros((len(rise), 1)), rise], axis=1)
            name = contestant_name(role, network["loss"]).replace("\n", ": ")
            axes.plot(
                radii, rise.mean(axis=0), DASHES[role], marker=MARKERS[role], markersize=3.5, color=ROLES[role],
                label=name,
            )  # fmt: skip
            axes.fill_between(radii, rise.min(axis=0), rise.max(axis=0), color=ROLES[role], alpha=0.18, lw=0)
        axes.set_xlabel("distance (share of each filter's norm)")
        axes.set_ylabel(label)
        axes.set_xlim(left=0)
    legend_above(figure, panels[0], columns=1)
    settings = data["settings"]
    caption = (
        f"Validation rows; mean over {settings['directions']} random directions and {settings['seeds']} networks under "
        f"each loss, the band from the lowest to the highest network. The flatness figure is the mean of a curve up "
        f"to {settings['radius']:g}: {_figures(data)} for the task loss. Below 0, the network is no minimum "
        f"of the task loss on these rows: it was not trained for that. Flat minima generalise better by conjecture "
        f"only; the test values of the run are what counts."
    )
    return figure, caption


def _figures(data: Mapping[str, Any]) -> str:
    parts = []
    for role, network in data["networks"].items():
        flat = network["flatness"]["validation_task_loss"]
        value = "not finite" if flat["mean"] is None else f"{flat['mean']:.3g} ± {flat['std']:.2g}"
        parts.append(f"{contestant_name(role, network['loss']).splitlines()[0]} {value}")
    return ", ".join(parts)
