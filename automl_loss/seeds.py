"""Named seed streams: every random number of a run is a function of (run seed, names) alone.

Stages of a run (learning-rate selection, search, finalists, retraining) draw from disjoint streams, so that
no choice is made on the random numbers it is later judged by.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: str | int) -> int:
    """Seed of a named stream.

    Args:
        seed: the run seed, or the seed of a parent stream.
        names: the path of the stream, for example `("retraining", 3)`.

    Returns:
        An integer in [0, 2**63), the same on every platform and Python version.

    Example:
        >>> stream(0, "search") == stream(0, "search") != stream(0, "finalists")
        True
    """
    text = "/".join([str(int(seed)), *(str(name) for name in names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator on the stream `(seed, *names)`."""
    return np.random.default_rng(stream(seed, *names))
