"""Seed Python's global random generator for a call of DEAP, and restore it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def python_random(rng: np.random.Generator) -> Iterator[None]:
    """Seed Python's `random` from `rng` within the block, and restore its state.

    DEAP draws from Python's global generator. Inside the block its draws are a function of `rng` alone;
    after it, also after an error, the global state is restored. Not for use from several threads at once.

    Args:
        rng: advanced by one draw.
    """
    state = random.getstate()
    random.seed(int(rng.integers(2**63)))
    try:
        yield
    finally:
        random.setstate(state)
