"""Define the families of handcrafted losses, by torch's own fused functions on raw outputs.

Softmax probabilities underflow in float32, so none of these takes a logarithm of one: all start from log p,
the log probability of the target's class. A binary problem's logit z is the two-class problem with raw
outputs (0, z).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from automl_loss.losses.problem import Kind

if TYPE_CHECKING:
    from torch import Tensor

_FLOOR = -16.0
"""Lower bound of log p in a reciprocal of p, which overflows below it."""


@dataclass(frozen=True)
class Family:
    """A handcrafted loss with named parameters.

    Args:
        function: maps (raw outputs, class indices) to `(batch,)`; for regression it maps the residual f - y,
            elementwise. It takes the parameters by name.
        defaults: default values of the parameters.
        source: the function as Python text, in `prediction`, `target`, `log_p`, `residual` and the parameters.
        latex: formula in p and r, with `<name>` for each parameter.
        ranges: open intervals that parameters must lie in; any finite number where there is none.
        needs_prior: whether function and source also take `prior`: `(classes,)` shares of the classes.
        found: whether it was found by a search and published in a paper, rather than designed by a person.
    """

    function: Callable[..., Tensor]
    defaults: dict[str, float]
    source: str
    latex: str
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    needs_prior: bool = False
    found: bool = False


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
    # Clamped, because the slope of a power below 1 is infinite at 0.
    return -((-log_p.expm1()).clamp(min=1e-7) ** gamma) * log_p


def _poly1(raw: Tensor, target: Tensor, epsilon: float) -> Tensor:
    log_p = _log_p(raw, target)
    return -log_p - epsilon * log_p.expm1()


def _gce(raw: Tensor, target: Tensor, q: float) -> Tensor:
    return -(q * _log_p(raw, target)).expm1() / q


def _symmetric_ce(raw: Tensor, target: Tensor, alpha: float, beta: float) -> Tensor:
    log_p = _log_p(raw, target)
    return -alpha * log_p - 4.0 * beta * log_p.expm1()


def _class_weighted(raw: Tensor, target: Tensor, prior: Tensor) -> Tensor:
    return -_log_p(raw, target) / (len(prior) * prior[target])


def _logit_adjusted(raw: Tensor, target: Tensor, tau: float, prior: Tensor) -> Tensor:
    return -_log_p(raw + tau * prior.log(), target)


def _absolute(raw: Tensor, target: Tensor) -> Tensor:
    return -2.0 * _log_p(raw, target).expm1()


def _baikal(raw: Tensor, target: Tensor) -> Tensor:
    from torch.nn import functional

    uniform = functional.cross_entropy(raw, target, reduction="none", label_smoothing=1.0)
    return uniform + (-_log_p(raw, target).clamp(min=_FLOOR)).exp() / raw.shape[-1]


def _ngl(raw: Tensor, target: Tensor, alpha: float) -> Tensor:
    p, p_target = raw.softmax(-1), _log_p(raw, target).exp()
    each = (alpha - p).exp() - p.sin().cos().cos()
    target_twice = (alpha - 2.0 * p_target).exp() - (alpha - p_target).exp()
    return each.mean(-1) + target_twice / raw.shape[-1]


def _absolute_ce(raw: Tensor, target: Tensor, phi: float) -> Tensor:
    return (_log_p(raw, target) + math.log(phi)).abs()


def _mse(residual: Tensor) -> Tensor:
    return residual.square()


def _mae(residual: Tensor) -> Tensor:
    return residual.abs()


def _huber(residual: Tensor, delta: float) -> Tensor:
    from torch.nn import functional

    return functional.huber_loss(
        residual, residual.new_zeros(()).expand_as(residual), reduction="none", delta=delta
    )


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
    "cross_entropy": Family(_cross_entropy, {}, "-log_p", r"-\log p"),
    "label_smoothing": Family(
        _label_smoothing,
        {"epsilon": 0.1},
        "torch.nn.functional.cross_entropy(prediction, target, reduction='none', label_smoothing=epsilon)",
        r"-(1 - <epsilon>) \log p - \frac{<epsilon>}{n} \sum_i \log p_i",
        {"epsilon": (0.0, 1.0)},
    ),
    "focal": Family(
        _focal,
        {"gamma": 2.0},
        "-(torch.clamp(-torch.expm1(log_p), min=1e-7) ** gamma) * log_p",
        r"-(1 - p)^{<gamma>} \log p",
    ),
    "poly1": Family(
        _poly1, {"epsilon": 1.0}, "-log_p - epsilon * torch.expm1(log_p)", r"-\log p + <epsilon> (1 - p)"
    ),
    "gce": Family(
        _gce, {"q": 0.7}, "-torch.expm1(q * log_p) / q", r"\frac{1 - p^{<q>}}{<q>}", {"q": (0.0, math.inf)}
    ),
    "symmetric_ce": Family(
        _symmetric_ce,
        {"alpha": 0.1, "beta": 1.0},
        "-alpha * log_p - 4.0 * beta * torch.expm1(log_p)",
        r"-<alpha> \log p + 4 \cdot <beta> (1 - p)",
    ),
    "mae": Family(_absolute, {}, "-2.0 * torch.expm1(log_p)", r"2 (1 - p)"),
    "class_weighted_ce": Family(
        _class_weighted,
        {},
        "-log_p / (len(prior) * prior[target])",
        r"-\frac{\log p}{n \pi_y}",
        needs_prior=True,
    ),
    "logit_adjusted_ce": Family(
        _logit_adjusted,
        {"tau": 1.0},
        "torch.nn.functional.cross_entropy(prediction + tau * torch.log(prior), target, reduction='none')",
        r"-\log \frac{p \pi_y^{<tau>}}{\sum_i p_i \pi_i^{<tau>}}",
        needs_prior=True,
    ),
    "baikal": Family(
        _baikal,
        {},
        "torch.nn.functional.cross_entropy(prediction, target, reduction='none', label_smoothing=1.0) "
        f"+ torch.exp(-torch.clamp(log_p, min={_FLOOR})) / prediction.shape[-1]",
        r"-\frac{1}{n} \sum_i \log p_i + \frac{1}{n p}",
        found=True,
    ),
    "ngl": Family(
        _ngl,
        {"alpha": 2.4092},
        "(torch.exp(alpha - torch.softmax(prediction, -1)) "
        "- torch.cos(torch.cos(torch.sin(torch.softmax(prediction, -1))))).mean(-1) "
        "+ (torch.exp(alpha - 2.0 * torch.exp(log_p)) - torch.exp(alpha - torch.exp(log_p))) / prediction.shape[-1]",
        r"\frac{1}{n} \sum_i \left(e^{<alpha> - p_i (1 + y_i)} - \cos \cos \sin p_i\right)",
        found=True,
    ),
    "absolute_ce": Family(
        _absolute_ce,
        {"phi": 1.1},
        "torch.abs(log_p + torch.log(log_p.new_tensor(phi)))",
        r"\left|\log(<phi> \cdot p)\right|",
        {"phi": (0.0, math.inf)},
        found=True,
    ),
}
"""Sources: focal, Lin et al. arXiv 1708.02002; Poly-1, Leng et al. arXiv 2204.12511; generalised
cross-entropy, Zhang & Sabuncu arXiv 1805.07836; symmetric cross-entropy with log 0 = -4, Wang et al. arXiv
1908.06112; MAE, Ghosh et al. arXiv 1712.09482; label smoothing, Szegedy et al. arXiv 1512.00567; logit adjustment,
Menon et al. arXiv 2007.07314. Found by searches: Baikal, Gonzalez & Miikkulainen arXiv 1905.11528, whose 1/p stops
growing at p = 1e-7 here; NGL, Akhmedova & Koerber arXiv 2404.12948; absolute cross-entropy, Raymond et al. arXiv
2209.08907, whose phi is tuned there and by default ours: least at p = 1/phi."""

_BINARY = {"binary_cross_entropy": _CLASSIFICATION["cross_entropy"]} | {
    name: family for name, family in _CLASSIFICATION.items() if name != "cross_entropy"
}

_REGRESSION = {
    "mse": Family(_mse, {}, "torch.square(residual)", r"r^2"),
    "mae": Family(_mae, {}, "torch.abs(residual)", r"|r|"),
    "huber": Family(
        _huber,
        {"delta": 1.0},
        "torch.nn.functional.huber_loss(prediction, target, reduction='none', delta=delta)",
        r"\begin{cases} r^2 / 2 & |r| \le <delta> \\ <delta> (|r| - <delta> / 2) & |r| > <delta> \end{cases}",
        {"delta": (0.0, math.inf)},
    ),
    "log_cosh": Family(
        _log_cosh,
        {},
        "torch.abs(residual) + torch.nn.functional.softplus(-2.0 * torch.abs(residual)) - 0.6931471805599453",
        r"\log \cosh r",
    ),
    "student_t": Family(
        _student_t,
        {"nu": 3.0},
        "0.5 * (nu + 1.0) * torch.log1p(torch.square(residual) / nu)",
        r"\frac{<nu> + 1}{2} \log\left(1 + r^2 / <nu>\right)",
        {"nu": (0.0, math.inf)},
    ),
    "pinball": Family(
        _pinball,
        {"tau": 0.5},
        "torch.maximum(-tau * residual, (1.0 - tau) * residual)",
        r"\max(-<tau> r, (1 - <tau>) r)",
        {"tau": (0.0, 1.0)},
    ),
}


def families_of(kind: Kind) -> dict[str, Family]:
    """Return the families for a kind of problem, by name; the task loss first."""
    return {"multiclass": _CLASSIFICATION, "binary": _BINARY, "regression": _REGRESSION}[kind]
