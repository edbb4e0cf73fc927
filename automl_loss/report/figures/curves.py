"""Draw the loss itself: its value and gradient beside the losses it was compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from automl_loss.losses import Loss, Problem, task_loss
from automl_loss.losses.curve import (
    Curve,
    along_probability,
    along_residual,
    along_term,
    at_mean_gradient_of,
    handcrafted_loss,
)
from automl_loss.report.names import ROLE_NAMES
from automl_loss.report.run_view import RunView
from automl_loss.report.style import DASHES, ROLES, legend_above, new_figure

_SCALED = (
    "Each curve is multiplied by one constant, so that its gradients are as large as the task loss's on average (root "
    "mean square over the frame), and shifted to start at 0: a factor is a matter of the learning rate, a shift of "
    "nothing."
)

_OUTPUTS = 10_000
"""Outputs up to which curves are drawn: each of their points takes a row of as many numbers."""

_ALIKE = 0.05
"""Gradients are alike when they differ on average by less than this share of their size."""


def loss_by_probability(run: RunView) -> tuple[Figure, str] | None:
    """Draw the loss of one sample, and its gradient, against the probability of its class."""
    if run.loss is None or run.problem is None or not run.problem.is_classification:
        return None
    problem = run.problem
    if problem.output_dim > _OUTPUTS:
        return None
    losses = _contestant_losses(run)
    # Handcrafted losses treat both classes alike.
    both = problem.kind == "binary" and "found" in losses
    targets = (1, 0) if both else (1,)
    figure = new_figure(height=3.3 * len(targets), width=5.8)
    grid = figure.subplots(len(targets), 2, squeeze=False)
    for row, target in zip(grid, targets, strict=True):
        curves = {role: along_probability(loss, problem, target) for role, loss in losses.items()}
        _value_and_gradient(row, _like(curves, "task_loss"))
        where = f" (class {target})" if both else ""
        row[0].set_title(f"loss of a sample{where}")
        row[1].set_title("gradient by its raw output")
        for axes in row:
            axes.set_xlabel("probability of the true class")
    legend_above(figure, grid[0, 0])
    others = (
        "" if problem.kind == "binary" else " The other classes share the rest of the probability equally."
    )
    return figure, (
        f"Left, what a sample costs; right, how hard it pulls on the raw output of its class: below 0 it pushes the "
        f"probability up.{others} {_SCALED}"
    )


def loss_terms(run: RunView) -> tuple[Figure, str] | None:
    """Draw the term of one output at y = 1 and at y = 0, and its gradient by f, for elementwise losses."""
    problem, loss = run.problem, run.loss
    if loss is None or problem is None or problem.kind != "multiclass" or loss.space != "prediction":
        return None
    figure = new_figure(height=5.4)
    grid = figure.subplots(2, 2)
    for column, target in enumerate((1.0, 0.0)):
        curves = along_term(loss, target)
        _value_and_gradient(grid[:, column], curves)
        grid[0, column].set_title(f"y = {target:.0f}: term of {'the true' if target else 'another'} class")
        grid[1, column].set_title("its gradient by f")
        for axes in grid[:, column]:
            axes.set_xlabel("f, predicted probability")
    legend_above(figure, grid[0, 0])
    return figure, (
        "The loss sums one term an output. Cross-entropy's is 0 wherever y = 0; what the found loss has there acts on "
        "the probabilities of wrong classes directly. At its own scale, each curve shifted to start at 0; the frame "
        "cuts off the steep ends."
    )


def loss_by_residual(run: RunView) -> tuple[Figure, str] | None:
    """Draw the loss of a regression, and its gradient, against the residual."""
    problem = run.problem
    if run.loss is None or problem is None or problem.kind != "regression" or problem.output_dim > _OUTPUTS:
        return None
    curves = {role: along_residual(loss, problem, 0.0) for role, loss in _contestant_losses(run).items()}
    figure = new_figure(height=3.3)
    row = figure.subplots(1, 2)
    _value_and_gradient(row, _like(curves, "task_loss"))
    row[0].set_title("loss of a sample")
    row[1].set_title("gradient by the output")
    for axes in row:
        axes.set_xlabel("residual f − y (standard deviations)")
    legend_above(figure, row[0])
    caption = f"At the mean target, y = 0. {_SCALED}"
    if not _depends_on_residual_alone(run, problem):
        caption += (
            " The loss depends on y and f in other ways than by f − y: at other targets it looks different."
        )
    return figure, caption


def _depends_on_residual_alone(run: RunView, problem: Problem) -> bool:
    if run.loss is None:
        return True
    one, other = (along_residual(run.loss, problem, target) for target in (0.0, 1.0))
    # Tuned weights never agree in every digit.
    return bool(np.mean(np.abs(one.gradient - other.gradient)) <= _ALIKE * one.slope)


def _value_and_gradient(pair: Sequence[Axes] | np.ndarray, curves: Mapping[str, Curve]) -> None:
    """Draw curves on two axes; steep ends are cut off."""
    value, gradient = pair
    for role, curve in curves.items():
        for axes, line in ((value, curve.from_lowest), (gradient, curve.gradient)):
            axes.plot(curve.x, line, DASHES[role], color=ROLES[role], label=ROLE_NAMES[role])
    _cut(value, [curve.from_lowest for curve in curves.values()])
    _cut(gradient, [curve.gradient for curve in curves.values()])


def _cut(axes: Axes, lines: Sequence[np.ndarray]) -> None:
    inner = np.concatenate([line[np.isfinite(line)] for line in lines])
    if not inner.size:
        return
    low, high = np.quantile(inner, (0.015, 0.985))
    reach = 0.08 * (high - low) or 1.0
    axes.set_ylim(low - reach, high + reach)


def _like(curves: Mapping[str, Curve], role: str) -> dict[str, Curve]:
    """Scale the curves to the mean gradient of one of them."""
    return {name: at_mean_gradient_of(curve, curves[role]) for name, curve in curves.items()}


def _contestant_losses(run: RunView) -> dict[str, Loss]:
    """Return the losses of a run by role: the returned one, the task loss, and the best handcrafted one."""
    if run.loss is None or run.problem is None:
        return {}
    losses: dict[str, Loss] = {}
    if run.loss.space == "prediction":
        losses["found"] = run.loss
    handcrafted = run.contestants().get("handcrafted")
    if handcrafted is not None:
        losses["handcrafted"] = handcrafted_loss(handcrafted["loss"], run.problem)
    return {**losses, "task_loss": task_loss(run.problem)}
