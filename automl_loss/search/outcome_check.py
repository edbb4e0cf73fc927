"""Check an outcome that an evaluator gives, and turn numpy's numbers in it into Python's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from automl_loss.losses.base import Loss
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.search.identity import short
from automl_loss.search.numbers import Refused, finite, integer, number


def checked_outcome(outcome: Outcome, *, scale_free: bool = False) -> Outcome:
    """Return the outcome with Python's numbers; the same object where nothing is to be changed.

    Args:
        outcome: whose id is sound.
        scale_free: whether any scale is accepted, as the engine's own matching of scales may give it.

    Raises:
        Refused: a part of it is of another type or out of bounds.
    """
    who = f"candidate {outcome.id}"
    if not isinstance(outcome.status, Status):
        raise Refused(f"{who} status {short(outcome.status)}; give a member of automl_loss.Status")
    if not isinstance(outcome.loss, Loss):
        raise Refused(f"{who} {short(outcome.loss)} as its loss; give the Loss that was trained")
    if not isinstance(outcome.message, str):
        raise Refused(f"{who} the message {short(outcome.message)}; give a text")
    scale = number(outcome.loss.scale, f"{who} a loss of scale")
    if outcome.status.completed and not scale_free and not (math.isfinite(scale) and scale > 0):
        raise Refused(f"{who} a loss of scale {scale}; it must be finite and above 0")
    changed: dict[str, Any] = {
        "fitness": _fitness(outcome, who),
        "metrics": _metrics(outcome.metrics, who),
        "rungs": tuple(number(value, f"{who} a rung") for value in _sequence(outcome.rungs, f"{who} rungs")),
        "steps": finite(outcome.steps, f"{who} steps", least=0.0),
        "seconds": finite(outcome.seconds, f"{who} seconds", least=0.0),
        "cost": finite(outcome.cost, f"{who} cost", least=0.0),
        "source_id": None if outcome.source_id is None else integer(outcome.source_id, f"{who} source_id"),
    }
    if any(not isinstance(run, bytes) for run in _sequence(outcome.paused, f"{who} paused runs")):
        raise Refused(f"{who} paused runs that are no bytes; give `Trained.paused` as it is")
    kept = {name: value for name, value in changed.items() if not _identical(getattr(outcome, name), value)}
    return replace(outcome, **kept) if kept else outcome


def _fitness(outcome: Outcome, who: str) -> float | None:
    status, fitness = outcome.status, outcome.fitness
    found = None if fitness is None else number(fitness, f"{who} fitness")
    if (found is not None and math.isfinite(found)) if status.completed else found is None:
        return found
    raise Refused(
        f"{who} status {status.value} and fitness {found}; evaluated and cached ones need a finite number, others None "
        f"(a loss whose training became non-finite is diverged)"
    )


def _metrics(metrics: Any, who: str) -> dict[str, float]:
    if not isinstance(metrics, Mapping) or not all(isinstance(name, str) for name in metrics):
        raise Refused(f"{who} metrics {short(metrics)}; give a mapping of names to numbers")
    return {name: number(value, f"{who} metric {name!r} =") for name, value in metrics.items()}


def _sequence(values: Any, what: str) -> tuple[Any, ...]:
    if not isinstance(values, tuple | list | np.ndarray):
        raise Refused(f"{what} = {short(values)}; give a tuple")
    return tuple(values)


def _identical(one: Any, other: Any) -> bool:
    if isinstance(other, dict):
        return all(type(value) is type(other[name]) for name, value in one.items())
    if isinstance(other, tuple):
        return type(one) is tuple and all(
            type(a) is type(b) for a, b in zip(one, other, strict=True)
        )  # fmt: skip
    return type(one) is type(other)
