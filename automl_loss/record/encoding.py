"""Outcomes as plain data and back, bit for bit.

Floats go through their shortest exact decimal (`repr`), so finite ones keep every bit. Those that are not
finite become the texts "nan", "inf" and "-inf", because JSON has no word for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.plugins.outcome import Outcome, Status


def plain(value: Any) -> Any:
    """The value with numpy scalars as Python numbers, tuples as lists and mappings as dicts with text keys.

    Raises:
        TypeError: a part of it is nothing that JSON can hold, e.g. a tensor.

    Example:
        >>> plain({"lr": np.float32(0.5), "parents": (1, np.int64(2))})
        {'lr': 0.5, 'parents': [1, 2]}
    """
    if isinstance(value, np.generic):
        return plain(value.item())
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(
        f"cannot record a {type(value).__qualname__}: {value!r:.80}; "
        f"only numbers, texts, booleans, None, and lists and mappings of them."
    )


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """Plain data of an outcome."""
    return {
        "id": plain(outcome.id),
        "status": outcome.status.value,
        "fitness": plain(outcome.fitness),
        "loss": plain(outcome.loss.to_json()),
        "metrics": {name: _number(value) for name, value in outcome.metrics.items()},
        "rungs": [_number(value) for value in outcome.rungs],
        "steps": _number(outcome.steps),
        "seconds": _number(outcome.seconds),
        "source_id": plain(outcome.source_id),
        "message": outcome.message,
        "cost": _number(outcome.cost),
    }


def outcome_from_json(data: Mapping[str, Any], primitives: PrimitiveSet | None = None) -> Outcome:
    """The outcome that `outcome_to_json` was given.

    Args:
        data: plain data; further keys are ignored.
        primitives: the words of symbolic losses.
    """
    from automl_loss.losses.serialize import loss_from_json

    return Outcome(
        id=data["id"],
        status=Status(data["status"]),
        fitness=data["fitness"],
        loss=loss_from_json(data["loss"], primitives),
        metrics={name: _value(number) for name, number in data["metrics"].items()},
        rungs=tuple(_value(number) for number in data["rungs"]),
        steps=_value(data["steps"]),
        seconds=_value(data["seconds"]),
        source_id=data["source_id"],
        message=data["message"],
        cost=data["cost"] if "cost" in data else _old_cost(data),
    )


def _old_cost(data: Mapping[str, Any]) -> float:
    """What an outcome that was recorded before outcomes said their cost is charged to the budget."""
    status = Status(data["status"])
    if data["source_id"] is not None:
        return 0.0  # an equivalent of a diverged candidate was not trained, either
    if status is Status.REJECTED:
        return float(bool(data["metrics"]))  # by the filter after tuning
    if status is Status.PRUNED:
        return float(_value(data["metrics"].get("share", 1.0)))
    return float(status.trained)


def _number(value: Any) -> Any:
    number = plain(value)
    return repr(number) if isinstance(number, float) and not math.isfinite(number) else number


def _value(number: Any) -> Any:
    return float(number) if isinstance(number, str) else number
