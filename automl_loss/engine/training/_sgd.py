"""SGD on P networks in one pass over memory, compiled.

For large networks a step of SGD written in tensor operations costs as much as the backward pass: each operation reads
and writes all parameters again.
"""

from __future__ import annotations

from typing import Any

from automl_loss.engine.kernels._jit import entry


@entry
def sgd(
    theta: Any,
    velocity: Any,
    gradient: Any,
    start: int,
    lr: Any,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> None:
    """One step on the parameters from column `start` on, as many as `gradient` has.

    Args:
        theta: `(P, parameters)`, changed in place.
        velocity: of theta's shape, changed in place; zero before the first step.
        gradient: `(P, columns)`.
        start: first column.
        lr: `(P,)`.
        momentum: 0 for none.
        nesterov: whether momentum is Nesterov's.
        weight_decay: L2.
    """
    number = theta.dtype.type
    mass, decay = number(momentum), number(weight_decay)
    columns = gradient.shape[1]
    for row in range(theta.shape[0]):
        rate = lr[row]
        values = theta[row, start : start + columns]
        speeds = velocity[row, start : start + columns]
        slopes = gradient[row]
        if nesterov:
            for k in range(columns):
                slope = slopes[k] + decay * values[k]
                speed = mass * speeds[k] + slope
                speeds[k] = speed
                values[k] = values[k] - rate * (slope + mass * speed)
        else:
            for k in range(columns):
                speed = mass * speeds[k] + (slopes[k] + decay * values[k])
                speeds[k] = speed
                values[k] = values[k] - rate * speed
