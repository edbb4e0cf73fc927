"""Read a MATLAB file; this module runs in a child process, which a damaged file may end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat


def arrays(path: str, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return the named arrays of numbers that a MATLAB file holds; others are left out."""
    held = loadmat(path, variable_names=list(names))
    found = {name: held[name] for name in names if isinstance(held.get(name), np.ndarray)}
    return {name: array for name, array in found.items() if array.dtype.kind in "iufb"}
