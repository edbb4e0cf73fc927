"""Compute values and gradients of losses along a line, by autograd in float64."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automl_loss.expression import parse
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.losses.known import known_losses
from automl_loss.losses.module import build_module
from automl_loss.losses.problem import Problem
from automl_loss.losses.symbolic import SymbolicLoss

_POINTS = 241
_EDGE = 0.01
_RESIDUALS = 3.0
_LARGEST = 1e100
"""Largest value that is drawn; its square is still a number."""

_FLAT = 1e-100
"""Root mean square of a gradient below which a loss counts as constant."""
_HANDCRAFTED = re.compile(r"(?P<name>\w+)(?:\((?P<parameters>.*)\))?")

Line = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Values and derivatives of a loss along a line; NaN where they are not finite, or beyond what can be drawn.

    Args:
        x: `(points,)` coordinates on the line.
        value: `(points,)` loss of a sample.
        gradient: `(points,)` its derivative by the raw output, or by the variable that the function names.
    """

    x: Line
    value: Line
    gradient: Line

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _drawable(self.value))
        object.__setattr__(self, "gradient", _drawable(self.gradient))

    @property
    def from_lowest(self) -> Line:
        """Return the values less the lowest one."""
        known = self.value[np.isfinite(self.value)]
        return self.value - known.min() if known.size else self.value

    @property
    def slope(self) -> float:
        """Return the root mean square of the gradient, over the points where it is finite."""
        finite = self.gradient[np.isfinite(self.gradient)]
        return float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0

    def times(self, factor: float) -> Curve:
        """Multiply the loss by a constant."""
        return Curve(self.x, factor * self.value, factor * self.gradient)


def _drawable(line: Line) -> Line:
    return np.where(np.abs(line) <= _LARGEST, line, np.nan)


def at_mean_gradient_of(curve: Curve, other: Curve) -> Curve:
    """Scale a curve so that its gradients are as large as another's on average (root mean square)."""
    return curve.times(other.slope / curve.slope if curve.slope > _FLAT else 1.0)


def handcrafted_loss(key: str, problem: Problem) -> HandcraftedLoss:
    """Return the handcrafted loss of a key, at scale 1.

    Example:
        >>> handcrafted_loss("gce(q=0.5)", Problem.classification((4,), 3)).key
        'gce(q=0.5)'
    """
    match = _HANDCRAFTED.fullmatch(key)
    if match is None:
        raise ValueError(f"{key!r} is not the key of a handcrafted loss.")
    pairs = (pair.split("=") for pair in (match["parameters"] or "").split(", ") if pair)
    return HandcraftedLoss(match["name"], problem.kind, {name: float(value) for name, value in pairs})


def along_probability(loss: Loss, problem: Problem, target: int) -> Curve:
    """Compute a sample's loss against the probability of its class; the other classes share the rest equally.

    The gradient is by the raw output of that class, or for a binary problem by the raw output towards it.
    """
    p = np.linspace(_EDGE, 1.0 - _EDGE, _POINTS)
    if problem.kind == "binary":
        sign = 1.0 if target == 1 else -1.0
        raw = (sign * np.log(p / (1.0 - p)))[:, None]
        value, gradient = _differentiate(loss, problem, raw, torch.full((_POINTS,), target))
        return Curve(p, value, sign * gradient[:, 0])
    raw = np.tile(np.log((1.0 - p) / (problem.output_dim - 1))[:, None], (1, problem.output_dim))
    raw[:, target] = np.log(p)
    value, gradient = _differentiate(loss, problem, raw, torch.full((_POINTS,), target))
    return Curve(p, value, gradient[:, target])


def along_residual(loss: Loss, problem: Problem, target: float) -> Curve:
    """Compute a sample's loss against the residual of its first output; the others are predicted exactly."""
    residual = np.linspace(-_RESIDUALS, _RESIDUALS, _POINTS)
    raw = np.full((_POINTS, problem.output_dim), target)
    raw[:, 0] += residual
    targets = torch.full((_POINTS, problem.output_dim), target, dtype=torch.float64)
    value, gradient = _differentiate(loss, problem, raw, targets)
    return Curve(residual, value, gradient[:, 0])


def along_term(loss: Loss, target: float) -> dict[str, Curve]:
    """Compute the term of one output of an elementwise loss, and cross-entropy's, against f; gradients are by f."""
    usual = SymbolicLoss(parse(known_losses(Problem.classification((1,), 3))["cross_entropy"]))
    return {role: _term(one, target) for role, one in (("found", loss), ("task_loss", usual))}


def _term(loss: Loss, target: float) -> Curve:
    f = torch.linspace(_EDGE, 1.0 - _EDGE, _POINTS, dtype=torch.float64).requires_grad_()
    value = loss.scale * loss.value(f[:, None], torch.full((_POINTS, 1), target, dtype=torch.float64))[:, 0]
    return Curve(f.detach().numpy(), value.detach().numpy(), _gradient(value, f))


def _differentiate(loss: Loss, problem: Problem, raw: Line, target: Tensor) -> tuple[Line, Line]:
    """Return `(points,)` losses of samples and their `(points, outputs)` gradients by the raw outputs."""
    outputs = torch.tensor(raw, dtype=torch.float64, requires_grad=True)
    value = build_module(loss, problem)(outputs, target, reduction="none")
    return value.detach().numpy(), _gradient(value, outputs)


def _gradient(value: Tensor, by: Tensor) -> Line:
    if not value.requires_grad:
        # A loss without f in it.
        return np.zeros(by.shape)
    (gradient,) = torch.autograd.grad(value.sum(), by, allow_unused=True)
    return np.zeros(by.shape) if gradient is None else gradient.numpy()
