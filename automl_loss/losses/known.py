"""Known losses as expressions of the twelve functions and four terminals of the set `evomal`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from automl_loss.losses.problem import Problem

_MULTICLASS = MappingProxyType(
    {
        "cross_entropy": "mul(mul(-1, y), log(f))",
        "mse": "square(sub(y, f))",
        "mae": "abs(sub(y, f))",
        # GCE with q = 0.5, (1 - sqrt(f)) / 0.5 at the true class: a constant and a factor do not change the direction.
        "gce": "mul(mul(-1, y), sqrt(f))",
        "focal": "mul(mul(mul(-1, y), square(sub(1, f))), log(f))",
        # alpha CE + beta (1 - f) at the true class, both terms alike; the weights tell them apart.
        "symmetric_cross_entropy": "mul(mul(-1, y), add(log(f), f))",
    }
)

_BINARY = MappingProxyType(
    {
        "cross_entropy": "sub(mul(sub(y, 1), log(sub(1, f))), mul(y, log(f)))",
        "mse": "square(sub(y, f))",
        "mae": "abs(sub(y, f))",
        "focal": "mul(mul(-1, square(sub(y, f))), log(sub(1, abs(sub(y, f)))))",
        "gce": "mul(-1, sqrt(sub(1, abs(sub(y, f)))))",
    }
)

_REGRESSION = MappingProxyType(
    {
        "mse": "square(sub(y, f))",
        "mae": "abs(sub(y, f))",
        # log(1 + r^2): the likelihood of Student's t up to weights.
        "student_t": "log(add(1, square(sub(y, f))))",
        # sqrt(1 + r^2): between the square and the absolute value, like Huber's.
        "pseudo_huber": "sqrt(add(1, square(sub(y, f))))",
    }
)


def known_losses(problem: Problem) -> Mapping[str, str]:
    """Known losses for a kind of problem by name, as expression texts."""
    return {"multiclass": _MULTICLASS, "binary": _BINARY, "regression": _REGRESSION}[problem.kind]
