"""Handcrafted losses: what one would use without a search, by torch's own fused functions on raw outputs.

Softmax probabilities underflow in float32, so these never take a logarithm of one. A binary problem's single logit z
is the two-class problem with raw outputs (0, z).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from automl_loss.losses.base import Loss, Space
from automl_loss.losses.problem import Kind, Problem

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class HandcraftedLoss(Loss):
    """A loss from the literature.

    Args:
        name: of the family, e.g. `gce`.
        kind: of the problem it is for.
        parameters: name and value of each of the family's parameters, sorted; those left out have their defaults.
        scale: one constant.

    Raises:
        ValueError: there is no such family for the kind of problem, or it has no such parameter.

    Example:
        >>> HandcraftedLoss("gce", "multiclass", (("q", 0.7),)).key
        'gce(q=0.7)'
    """

    name: str
    kind: Kind
    parameters: tuple[tuple[str, float], ...] = ()
    scale: float = 1.0

    def __post_init__(self) -> None:
        families = _families(self.kind)
        if self.name not in families:
            raise ValueError(f"no {self.kind} loss {self.name!r}; there are {', '.join(families)}.")
        defaults = families[self.name].defaults
        unknown = [name for name, _ in self.parameters if name not in defaults]
        if unknown:
            raise ValueError(f"{self.name} has no parameter {unknown[0]!r}; it has {', '.join(defaults) or 'none'}.")
        object.__setattr__(self, "parameters", tuple(sorted({**defaults, **dict(self.parameters)}.items())))

    @property
    def weights(self) -> tuple[float, ...]:  # type: ignore[override]
        """None: there is nothing to tune."""
        return ()

    @property
    def space(self) -> Space:
        """On raw outputs."""
        return "raw"

    def value(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """`(batch,)` values for classification, `(batch, outputs)` for regression; see `Loss.value`."""
        import torch

        family = _families(self.kind)[self.name]
        parameters = dict(self.parameters)
        if self.kind == "regression":
            return family.function(prediction - target, **parameters)
        if self.kind == "binary":
            prediction = torch.cat([torch.zeros_like(prediction), prediction], dim=-1)
        return family.function(prediction, target, **parameters)

    @property
    def key(self) -> str:
        """Name and parameters, e.g. `symmetric_ce(alpha=0.1, beta=1)`."""
        if not self.parameters:
            return self.name
        return f"{self.name}({', '.join(f'{name}={value:g}' for name, value in self.parameters)})"

    @property
    def complexity(self) -> int:
        """Number of parameters, and one."""
        return 1 + len(self.parameters)

    def with_weights(self, weights: tuple[float, ...]) -> Self:
        """The same loss: there is nothing to tune.

        Raises:
            ValueError: weights were given.
        """
        if weights:
            raise ValueError(f"{self.key} has no weights but got {len(weights)}.")
        return self

    def with_scale(self, scale: float) -> Self:
        """The same loss with another scale."""
        return replace(self, scale=scale)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": "handcrafted",
            "name": self.name,
            "problem": self.kind,
            "parameters": dict(self.parameters),
            "scale": self.scale,
        }

    def to_source(self) -> str:
        """See `Loss.to_source`; `prediction` is the raw output and `target` is as in the data set."""
        family = _families(self.kind)[self.name]
        lines = [f"{name} = {value!r}" for name, value in self.parameters]
        if self.kind == "regression":
            lines.append("residual = prediction - target")
        else:
            if self.kind == "binary":
                lines.append("prediction = torch.cat([torch.zeros_like(prediction), prediction], dim=-1)")
            if "log_p" in family.source:
                lines.append(
                    "log_p = -torch.nn.functional.cross_entropy(prediction, target, reduction='none')"
                )
        return "\n".join([*lines, f"return {family.source}"])

    @property
    def latex(self) -> str:
        """The formula with its parameters' values; p is the probability of the target's class, r the residual."""
        text = _families(self.kind)[self.name].latex
        for name, value in self.parameters:
            text = text.replace(f"<{name}>", f"{value:g}")
        return text


@dataclass(frozen=True)
class _Family:
    function: Callable[..., Any]
    defaults: dict[str, float]
    source: str
    latex: str


def _log_p(raw: Tensor, target: Tensor) -> Tensor:
    from torch.nn import functional

    return -functional.cross_entropy(raw, target, reduction="none")


def _cross_entropy(raw: Tensor, target: Tensor) -> Tensor:
    return -_log_p(raw, target)


def _label_smoothing(raw: Tensor, target: Tensor, epsilon: float) -> Tensor:
    from torch.nn import functional

    return functional.cross_entropy(raw, target, reduction="none", label_smoothing=epsilon)


def _focal(raw: Tensor, target: Tensor, gamma: float) -> Tensor:
    log_p = _log_p(raw, target)
    return -((-log_p.expm1()) ** gamma) * log_p


def _poly1(raw: Tensor, target: Tensor, epsilon: float) -> Tensor:
    log_p = _log_p(raw, target)
    return -log_p - epsilon * log_p.expm1()


def _gce(raw: Tensor, target: Tensor, q: float) -> Tensor:
    return -(q * _log_p(raw, target)).expm1() / q


def _symmetric_ce(raw: Tensor, target: Tensor, alpha: float, beta: float) -> Tensor:
    log_p = _log_p(raw, target)
    return -alpha * log_p - 4.0 * beta * log_p.expm1()


def _absolute(raw: Tensor, target: Tensor) -> Tensor:
    return -2.0 * _log_p(raw, target).expm1()


def _mse(residual: Tensor) -> Tensor:
    return residual.square()


def _mae(residual: Tensor) -> Tensor:
    return residual.abs()


def _huber(residual: Tensor, delta: float) -> Tensor:
    from torch.nn import functional

    return functional.huber_loss(residual, residual.new_zeros(()).expand_as(residual), reduction="none", delta=delta)


def _log_cosh(residual: Tensor) -> Tensor:
    from torch.nn import functional

    size = residual.abs()
    return size + functional.softplus(-2.0 * size) - math.log(2.0)


def _student_t(residual: Tensor, nu: float) -> Tensor:
    return 0.5 * (nu + 1.0) * (residual.square() / nu).log1p()


def _pinball(residual: Tensor, tau: float) -> Tensor:
    import torch

    return torch.maximum(-tau * residual, (1.0 - tau) * residual)


_CLASSIFICATION = {
    "cross_entropy": _Family(_cross_entropy, {}, "-log_p", r"-\log p"),
    "label_smoothing": _Family(
        _label_smoothing,
        {"epsilon": 0.1},
        "torch.nn.functional.cross_entropy(prediction, target, reduction='none', label_smoothing=epsilon)",
        r"-(1 - <epsilon>) \log p - \frac{<epsilon>}{n} \sum_i \log p_i",
    ),
    "focal": _Family(_focal, {"gamma": 2.0}, "-((-torch.expm1(log_p)) ** gamma) * log_p", r"-(1 - p)^{<gamma>} \log p"),
    "poly1": _Family(_poly1, {"epsilon": 1.0}, "-log_p - epsilon * torch.expm1(log_p)", r"-\log p + <epsilon> (1 - p)"),
    "gce": _Family(_gce, {"q": 0.7}, "-torch.expm1(q * log_p) / q", r"\frac{1 - p^{<q>}}{<q>}"),
    "symmetric_ce": _Family(
        _symmetric_ce,
        {"alpha": 0.1, "beta": 1.0},
        "-alpha * log_p - 4.0 * beta * torch.expm1(log_p)",
        r"-<alpha> \log p + 4 \cdot <beta> (1 - p)",
    ),
    "mae": _Family(_absolute, {}, "-2.0 * torch.expm1(log_p)", r"2 (1 - p)"),
}
"""Sources: focal, Lin et al. arXiv 1708.02002; Poly-1, Leng et al. arXiv 2204.12511; generalised cross-entropy, Zhang &
Sabuncu arXiv 1805.07836; symmetric cross-entropy with log 0 = -4, Wang et al. arXiv 1908.06112; MAE, Ghosh et al.
arXiv 1712.09482; label smoothing, Szegedy et al. arXiv 1512.00567."""

_BINARY = {"binary_cross_entropy": _CLASSIFICATION["cross_entropy"]} | {
    name: family for name, family in _CLASSIFICATION.items() if name != "cross_entropy"
}

_REGRESSION = {
    "mse": _Family(_mse, {}, "torch.square(residual)", r"r^2"),
    "mae": _Family(_mae, {}, "torch.abs(residual)", r"|r|"),
    "huber": _Family(
        _huber,
        {"delta": 1.0},
        "torch.nn.functional.huber_loss(prediction, target, reduction='none', delta=delta)",
        r"\begin{cases} r^2 / 2 & |r| \le <delta> \\ <delta> (|r| - <delta> / 2) & \text{otherwise} \end{cases}",
    ),
    "log_cosh": _Family(
        _log_cosh,
        {},
        "torch.abs(residual) + torch.nn.functional.softplus(-2.0 * torch.abs(residual)) - 0.6931471805599453",
        r"\log \cosh r",
    ),
    "student_t": _Family(
        _student_t,
        {"nu": 3.0},
        "0.5 * (nu + 1.0) * torch.log1p(torch.square(residual) / nu)",
        r"\frac{<nu> + 1}{2} \log\left(1 + r^2 / <nu>\right)",
    ),
    "pinball": _Family(
        _pinball,
        {"tau": 0.5},
        "torch.maximum(-tau * residual, (1.0 - tau) * residual)",
        r"\max(-<tau> r, (1 - <tau>) r)",
    ),
}


def _families(kind: Kind) -> dict[str, _Family]:
    return {"multiclass": _CLASSIFICATION, "binary": _BINARY, "regression": _REGRESSION}[kind]


def task_loss(problem: Problem) -> HandcraftedLoss:
    """The loss one would use without a search."""
    return HandcraftedLoss(problem.task_loss, problem.kind)


def catalogue(problem: Problem) -> tuple[HandcraftedLoss, ...]:
    """The handcrafted losses that a found loss has to stand beside; the task loss first."""
    settings: dict[str, tuple[dict[str, float], ...]] = {
        "label_smoothing": ({"epsilon": 0.1}, {"epsilon": 0.2}),
        "gce": ({"q": 0.3}, {"q": 0.5}, {"q": 0.7}, {"q": 0.9}),
    }
    rest = [
        HandcraftedLoss(name, problem.kind, tuple(parameters.items()))
        for name in _families(problem.kind)
        if name != problem.task_loss
        for parameters in settings.get(name, ({},))
    ]
    return (task_loss(problem), *rest)
