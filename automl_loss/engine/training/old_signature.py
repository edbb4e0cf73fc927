"""`Engine.train(losses, lr=..., steps=...)`, as it was before lanes; it goes on for one release, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from automl_loss.engine.training.lane import Lane, Schedule
from automl_loss.losses.base import Loss

if TYPE_CHECKING:
    from automl_loss.plugins.training_engine import TrainingEngine

_OF_A_LANE = ("lr", "seed", "paused")
_OF_THE_SCHEDULE = ("steps", "rungs", "until", "keep")


def is_old(lanes: Sequence[Lane | Loss], given: Mapping[str, Any]) -> bool:
    """Tell a call of the old signature: it hands over losses, or keywords that are now part of lanes and schedule."""
    return bool(given) or any(isinstance(lane, Loss) for lane in lanes)


def lanes_of(
    engine: TrainingEngine, losses: Sequence[Lane | Loss], given: Mapping[str, Any]
) -> tuple[list[Lane], Schedule]:
    """The lanes and the schedule that an old call means.

    Raises:
        TypeError: a keyword was never one.
        ValueError: as many rates, seeds or paused runs must be given as there are losses, or one.
    """
    unknown = sorted(given.keys() - {*_OF_A_LANE, *_OF_THE_SCHEDULE})
    if unknown:
        raise TypeError(f"train() got an unexpected keyword argument {unknown[0]!r}")
    warnings.warn(
        "Engine.train(losses, lr=..., steps=..., seed=...) is deprecated: call "
        "train([Lane(loss, lr, seed), ...], schedule) instead; `engine.schedule` is that of partial training.",
        DeprecationWarning,
        stacklevel=4,
    )
    count = len(losses)
    rates = _each(given.get("lr"), engine.lr, count)
    seeds = _each(given.get("seed"), engine.search_seed(0), count)
    paused = _each(given.get("paused") or None, None, count)
    lanes = [
        Lane(loss, lr, seed, paused=run)
        for loss, lr, seed, run in zip(losses, rates, seeds, paused, strict=True)
        if isinstance(loss, Loss)
    ]
    changes = {key: given[key] for key in _OF_THE_SCHEDULE if given.get(key) is not None}
    changes["rungs"] = tuple(given.get("rungs") or ())
    return lanes, replace(engine.schedule, **changes)


def _each(value: Any, default: Any, count: int) -> list[Any]:
    if isinstance(value, Sequence):
        if len(value) != count:
            raise ValueError(f"{len(value)} values for {count} losses; give one, or one per loss.")
        return list(value)
    return [default if value is None else value] * count
