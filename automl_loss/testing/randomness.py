"""Find the global random generators that a function draws from, and what else of the process it changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from automl_loss.plugins.process_state import RANDOM_STATES, Kept


def touched(work: Callable[[], Any], *, torch_too: bool = True) -> str | None:
    """Call a function; return a sentence with the global generators or settings that it changed, or `None`."""
    import torch

    kept = (random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: NPY002
    # An unlikely state, so that a function that seeds a generator is detected, too.
    random.seed(922337203685)
    np.random.seed(2718281828)  # noqa: NPY002
    torch.manual_seed(577215664)
    before = (random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: NPY002
    rest = Kept("it", RANDOM_STATES)
    rest.enter()
    moved = []
    try:
        work()
        if random.getstate() != before[0]:
            moved.append("Python's random")
        now = np.random.get_state()  # noqa: NPY002
        if not all(np.array_equal(a, b) for a, b in zip(now, before[1], strict=True)):
            moved.append("numpy.random")
        if torch_too and not torch.equal(torch.get_rng_state(), before[2]):
            moved.append("torch's global generator")
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.set_rng_state(kept[2])
        rest.leave()
    if moved:
        return f"the state of {' and '.join(moved)} changed"
    return f"{' and '.join(rest.changed)} changed" if rest.changed else None
