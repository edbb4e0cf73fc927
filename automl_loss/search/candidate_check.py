"""Check a candidate that a strategy asks, and turn numpy's numbers in it into Python's."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from automl_loss.losses.base import Loss
from automl_loss.losses.problem import Problem
from automl_loss.plugins.candidate import OVERRIDES, Candidate
from automl_loss.plugins.time_limit import time_limit
from automl_loss.record.encoding import plain
from automl_loss.search.identity import short
from automl_loss.search.numbers import Refused, finite, integer, number

_ROWS = 4


def is_candidate(candidate: Any) -> bool:
    """Whether a strategy gave a candidate with a loss."""
    return isinstance(candidate, Candidate) and isinstance(candidate.loss, Loss)


def checked_candidate(
    candidate: Candidate, problem: Problem, limit: float | None = None, *, known: bool = False
) -> Candidate:
    """Return the candidate with Python's numbers; the same object where nothing is to be changed.

    A loss whose weights or scale cannot train anything is a bad loss, and no fault: the candidate comes back rejected.

    Args:
        candidate: what the strategy gave.
        problem: the task's; losses of the plugin's own code are tried on a few made-up rows of its shape.
        limit: seconds that the trial may take; one that takes longer is left to the workers, whose limits name it.
        known: whether its outcome is on record, so that its loss need not be tried.

    Raises:
        Refused: a part of it is of another type or out of bounds.
        Exception: what the loss's own code raises.
    """
    who = f"candidate {short(candidate.id)} with"
    changed: dict[str, Any] = {
        "id": integer(candidate.id, "a candidate with id"),
        "generation": integer(candidate.generation, f"{who} generation", least=-1),
        "parents": _parents(candidate.parents, who),
        "overrides": _overrides(candidate.overrides, who),
    }
    if candidate.rejected is not None and not isinstance(candidate.rejected, str):
        raise Refused(f"{who} rejected = {short(candidate.rejected)}; give a sentence, or None")
    reason = candidate.rejected or _useless(candidate.loss, who)
    if reason != candidate.rejected:
        changed["rejected"] = reason
    if candidate.rejected is None and reason is None and not known:
        with suppress(TimeoutError), time_limit(limit):
            _try(candidate.loss, problem, who)
    kept = {name: value for name, value in changed.items() if not _identical(getattr(candidate, name), value)}
    return replace(candidate, **kept) if kept else candidate


def _identical(one: Any, other: Any) -> bool:
    """Whether two values are equal and of Python's own types throughout."""
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and dict(one) == dict(other) and all(
            type(value) is type(other[key]) for key, value in one.items()
        )  # fmt: skip
    if isinstance(one, tuple):
        return bool(one == other) and all(type(value) is int for value in one)
    return type(one) is type(other) and bool(one == other)


def _parents(parents: Any, who: str) -> tuple[int, ...]:
    if not isinstance(parents, tuple | list | np.ndarray):
        raise Refused(f"{who} parents = {short(parents)}; give a tuple of ids")
    if isinstance(parents, np.ndarray) and parents.ndim != 1:
        raise Refused(f"{who} parents of shape {parents.shape}; give a tuple of ids")
    return tuple(integer(parent, f"{who} parent") for parent in parents)


def _overrides(overrides: Any, who: str) -> dict[str, float]:
    if not isinstance(overrides, Mapping):
        raise Refused(f"{who} overrides = {short(overrides)}; give a mapping such as {{'lr': 0.1}}")
    found: dict[str, float] = {}
    for key, value in overrides.items():
        if key not in OVERRIDES:
            close = difflib.get_close_matches(str(key), OVERRIDES, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise Refused(f"{who} an override {short(key)}; {hint}known are {', '.join(OVERRIDES)}")
        name = f"{who} override {key} ="
        found[key] = integer(value, name) if key == "tuning_steps" else finite(value, name, above=0.0)
    return found


def _useless(loss: Loss, who: str) -> str | None:
    """Return why a loss trains nothing, or `None`."""
    if not isinstance(loss.weights, tuple | list | np.ndarray):
        raise Refused(f"{who} a loss whose weights are {short(loss.weights)}; give a tuple of floats")
    weights = [number(weight, f"{who} a loss with weight") for weight in loss.weights]
    scale = number(loss.scale, f"{who} a loss of scale")
    bad = next((weight for weight in weights if not math.isfinite(weight)), None)
    if bad is not None:
        return f"one of its weights is {bad}; weights must be finite"
    if not (math.isfinite(scale) and scale > 0):
        return f"its scale is {scale}; it must be finite and above 0"
    return None


def _try(loss: Loss, problem: Problem, who: str) -> None:
    """Try a loss of foreign code: its text, its data, and its values and gradient on made-up rows."""
    if type(loss).__module__.startswith("automl_loss.losses.") and (
        loss.space == "raw" or loss.program is not None or type(loss).__name__ == "NeuralLoss"
    ):
        return
    if not isinstance(loss.key, str):
        raise Refused(f"{who} a loss whose key is {short(loss.key)}; give a text")
    number(loss.complexity, f"{who} a loss of complexity")
    try:
        json.dumps(plain(loss.to_json()))
    except (TypeError, ValueError) as error:
        raise Refused(f"{who} a loss whose `to_json` is no plain data: {error}") from error
    import torch

    from automl_loss.losses.inputs import prepare

    raw = torch.linspace(-1.0, 1.0, _ROWS * problem.output_dim).reshape(_ROWS, problem.output_dim)
    classes = torch.arange(_ROWS) % max(1, problem.classes)
    target = classes if problem.is_classification else raw.flip(0)
    f, y = (raw, target) if loss.space == "raw" else prepare(raw, target, problem.kind, problem.output_dim)
    f = f.detach().clone().requires_grad_()
    with torch.enable_grad():
        value: Any = loss.value(f, y)
        name = f"{who} loss {short(loss.key)}, whose value on {_ROWS} rows is"
        if not isinstance(value, torch.Tensor):
            raise Refused(f"{name} {short(value)}; give a tensor")
        if value.ndim == 0 or len(value) != _ROWS or (loss.space != "raw" and value.shape != f.shape):
            raise Refused(
                f"{name} of shape {tuple(value.shape)}; give one of shape {tuple(f.shape)}, unreduced"
            )
        if not value.is_floating_point():
            raise Refused(f"{name} of type {value.dtype}; give floats")
        if value.requires_grad:
            torch.autograd.grad(value.sum(), f, allow_unused=True)
