"""Run one parser in a child process; a script, started by `child_process.parse_in_child` with a job on its input.

It imports nothing of the package, so that it starts fast.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path
from typing import Any


def run(job: dict[str, Any]) -> None:
    """Call the job's function under limits, and write arrays and outcome to its folder.

    Args:
        job: as `child_process.parse_in_child` makes it.
    """
    sys.path[:] = job["sys_path"]
    folder = Path(job["folder"])
    outcome: dict[str, Any] = {"error": None, "memory": False, "names": []}
    # What the parser needs is imported before the limit on memory: libraries map far more than they use.
    module, _, name = job["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    import numpy as np

    _limit(job["memory_bytes"], job["timeout_s"])
    try:
        arrays = function(job["path"], *job["arguments"])
        for index, array in enumerate(arrays.values()):
            np.save(folder / f"{index}.npy", array, allow_pickle=False)
        outcome["names"] = list(arrays)
    except MemoryError:
        outcome["memory"] = True
    except BaseException as error:  # whatever a damaged file makes of a parser, panics of Rust included
        if isinstance(error, KeyboardInterrupt):
            raise
        text = str(error).partition("\n")[0][:500].rstrip(". ")
        outcome["error"] = f"{type(error).__name__}: {text or 'no reason given'}"
    (folder / "outcome.json").write_text(json.dumps(outcome), encoding="utf-8")


def _limit(memory_bytes: int, timeout_s: float) -> None:
    """Limit address space and processor time, where the system can."""
    try:
        import resource
    except ImportError:  # Windows: the parent's limit on time is the only one
        return
    wanted = (
        (resource.RLIMIT_AS, memory_bytes + _mapped()),
        (resource.RLIMIT_CPU, math.ceil(timeout_s) + 1),
        (resource.RLIMIT_CORE, 0),
    )
    for which, most in wanted:
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(which, (most, hard))
        except (ValueError, OSError):  # macOS refuses a limit on address space
            continue


def _mapped() -> int:
    """Bytes of address space in use, 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    import resource

    return int(statm.read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    run(json.load(sys.stdin))
