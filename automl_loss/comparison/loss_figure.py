"""Draw the losses that strategies found, and their gradients: in each setting the loss of the median unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from automl_loss.comparison.analysis import TASK_LOSS, Setting
from automl_loss.comparison.cell import CellRecord
from automl_loss.losses import Loss, Problem, loss_from_json, task_loss
from automl_loss.losses.curve import Curve, along_probability, along_residual, at_mean_gradient_of

_QUANTILES = (0.03, 0.97)


def draw_losses(
    settings: Sequence[Setting], records: Sequence[CellRecord], colours: Mapping[str, str]
) -> Figure | None:
    """Draw a row for each setting: a sample's loss and its gradient by the raw output; `None` if no loss was found."""
    rows = [(setting, curves) for setting in settings if len(curves := _curves(setting, records)) > 1]
    if not rows:
        return None
    figure = Figure(figsize=(9.5, 2.9 * len(rows) + 0.8), layout="constrained")
    grid = figure.subplots(len(rows), 2, squeeze=False)
    handles: dict[str, Any] = {}
    for (setting, curves), (left, right) in zip(rows, grid, strict=True):
        for name, curve in curves.items():
            style = "--" if name == TASK_LOSS else "-"
            handles[name] = left.plot(curve.x, curve.from_lowest, style, color=colours[name])[0]
            right.plot(curve.x, curve.gradient, style, color=colours[name])
        _cut(left, [curve.from_lowest for curve in curves.values()])
        _cut(right, [curve.gradient for curve in curves.values()])
        left.set_title(f"{setting.name}: loss of a sample", fontsize=10)
        right.set_title("its gradient by the raw output", fontsize=10)
        for axes in (left, right):
            axes.set_xlabel(
                "residual f − y" if curves[TASK_LOSS].x[0] < 0 else "probability of the true class"
            )
            axes.spines[["top", "right"]].set_visible(False)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _curves(setting: Setting, records: Sequence[CellRecord]) -> dict[str, Curve]:
    """Return curves by strategy, scaled to the task loss's mean gradient; the task loss is included."""
    curves: dict[str, Curve] = {}
    usual: Curve | None = None
    for name, values in setting.values.items():
        found = _middle(setting, name, values, records)
        if found is None:
            continue
        loss, problem = found
        usual = _along(task_loss(problem), problem) if usual is None else usual
        curves[name] = at_mean_gradient_of(_along(loss, problem), usual)
    return curves if usual is None else {**curves, TASK_LOSS: usual}


def _middle(
    setting: Setting, strategy: str, values: Mapping[int, float], records: Sequence[CellRecord]
) -> tuple[Loss, Problem] | None:
    """Return the found loss of the unit whose value is the (lower) median among units with one."""
    place = (setting.task, setting.model, strategy)
    found = [
        record
        for record in records
        if (record.cell.task, record.cell.model, record.cell.strategy) == place
        and record.cell.seed in values
        and (record.data or {}).get("found") is not None
    ]
    if not found:
        return None
    ordered = sorted(found, key=lambda record: values[record.cell.seed])
    record = ordered[(len(ordered) - 1) // 2]
    assert record.data is not None
    data, words = record.data["found"], record.cell.recipe.primitives
    loss = loss_from_json(data["loss"], words.make())
    return loss, Problem.from_json(data["problem"])


def _along(loss: Loss, problem: Problem) -> Curve:
    return (
        along_probability(loss, problem, 1)
        if problem.is_classification
        else along_residual(loss, problem, 0.0)
    )


def _cut(axes: Axes, lines: Sequence[np.ndarray[Any, Any]]) -> None:
    """Set the vertical limits so that steep ends of curves are cut off."""
    inner = np.concatenate([line[np.isfinite(line)] for line in lines])
    if not inner.size:
        return
    low, high = np.quantile(inner, _QUANTILES)
    reach = 0.08 * (high - low) or 1.0
    axes.set_ylim(low - reach, high + reach)
