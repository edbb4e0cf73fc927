"""Outcomes as plain data and back, bit for bit.

Floats go through their shortest exact decimal (`repr`), so finite ones keep every bit. Those that are not
finite become the texts "nan", "inf" and "-inf", because JSON has no word for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from automl_loss.errors import PluginError
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
    """Plain data of an outcome.

    Raises:
        PluginError: its fitness does not go with its status; non-finite fitness above all.
    """
    _check_fitness(outcome)
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
    )


def _check_fitness(outcome: Outcome) -> None:
    fitness, status = outcome.fitness, outcome.status
    if status.completed and (fitness is None or not math.isfinite(fitness)):
        raise PluginError(
            f"candidate {outcome.id} is {status.value} with fitness {fitness}; it needs a finite number. "
            f"The evaluator must give status diverged to a loss whose training became non-finite."
        )
    if not status.completed and fitness is not None:
        raise PluginError(
            f"candidate {outcome.id} is {status.value} and has fitness {fitness}; only evaluated and "
            f"cached ones have "
            f"one. The evaluator must leave it `None`."
        )


def _number(value: Any) -> Any:
    number = plain(value)
    return repr(number) if isinstance(number, float) and not math.isfinite(number) else number


def _value(number: Any) -> Any:
    return float(number) if isinstance(number, str) else number
