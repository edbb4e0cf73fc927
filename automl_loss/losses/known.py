"""Known losses, written with the twelve functions and four terminals of the primitive set `evomal`.

The terminals are y, f, 1, -1; logarithm and root add 1e-7 to their argument, so a loss equals its published form up to
1e-7 / p, where p = 1 - |y - f| is the probability of the true class.
"""

from __future__ import annotations

from automl_loss.losses.problem import Problem

_MULTICLASS = {
    # -y log f
    "cross_entropy": "mul(mul(-1, y), log(f))",
    # (y - f)^2, the Brier score
    "mse": "square(sub(y, f))",
    "mae": "abs(sub(y, f))",
    # Generalised cross-entropy (arXiv 1805.07836), q = 0.5 by the root: (1 - sqrt f) / 0.5 at the true class
    "gce": "mul(add(y, y), sub(1, sqrt(f)))",
    # Focal loss (arXiv 1708.02002), gamma = 2
    "focal": "mul(mul(mul(-1, y), square(sub(1, f))), log(f))",
    # Symmetric cross-entropy (arXiv 1908.06112), alpha = beta = 1 and log 0 = log 1e-7 = -16.1:
    # -y log f - f log y
    "symmetric_ce": "mul(-1, add(mul(y, log(f)), mul(f, log(y))))",
}
"""Losses of softmax outputs."""

_OF_PRIOR = {
    # Cross-entropy over the share of the class: -y log(f) / prior
    "class_weighted_ce": "mul(mul(mul(-1, y), log(f)), exp(mul(-1, log(prior))))",
    # The target's own logit moved by log prior before the softmax, a margin that grows with rarity (LDAM's form, arXiv
    # 1906.07413, with logit adjustment's offset, arXiv 2007.07314): -y log(f prior / (f prior + 1 - f)), less log prior
    "prior_margin": "mul(y, sub(log(add(mul(f, prior), sub(1, f))), log(f)))",
}
"""Losses of softmax outputs that use the class shares; written with the primitive set `extended`."""

_BINARY = {
    # -y log f - (1 - y) log(1 - f)
    "cross_entropy": "mul(-1, add(mul(y, log(f)), mul(sub(1, y), log(sub(1, f)))))",
    "mse": "square(sub(y, f))",
    "mae": "abs(sub(y, f))",
    "gce": "mul(add(1, 1), sub(1, sqrt(sub(1, abs(sub(y, f))))))",
    "focal": "mul(mul(-1, square(sub(y, f))), log(sub(1, abs(sub(y, f)))))",
    # Both classes as above: -log p + 16.1 (1 - p), as log(1 - 1) = -16.1
    "symmetric_ce": "sub(mul(-1, log(sub(1, abs(sub(y, f))))), mul(abs(sub(y, f)), log(sub(1, 1))))",
}

_REGRESSION = {
    "mse": "square(sub(y, f))",
    "mae": "abs(sub(y, f))",
    # log(1 + r^2): negative log-likelihood of Student's t with one degree of freedom
    "student_t": "log(add(1, square(sub(y, f))))",
    # sqrt(1 + r^2) - 1: quadratic near 0, linear far away, as Huber's
    "pseudo_huber": "sub(sqrt(add(1, square(sub(y, f)))), 1)",
}


def known_losses(problem: Problem, *, prior: bool = False) -> dict[str, str]:
    """Return known losses for a kind of problem, by name, as expression texts; the task loss first.

    Args:
        problem: only its kind is used.
        prior: whether to include those with the terminal `prior`.

    Example:
        >>> known_losses(Problem.regression((4,)))["mae"]
        'abs(sub(y, f))'
    """
    losses = {"multiclass": _MULTICLASS, "binary": _BINARY, "regression": _REGRESSION}[problem.kind]
    return {**losses, **(_OF_PRIOR if prior and problem.kind == "multiclass" else {})}
