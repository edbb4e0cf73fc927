"""Parse a file of a foreign format in a child process, so that a damaged file ends the child and not the run.

Parsers in C and Rust may crash on a damaged file (a segmentation fault, an abort), or take all memory for what a
header says. The child has limits on memory and time. It gives arrays back as `.npy` files, which hold no objects:
nothing that a file made of the child is unpickled here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_loss.errors import DataError

_SCRIPT = Path(__file__).with_name("_parse_child.py")
_WITHOUT_SYSCONF = 8 * 2**30
_SHARE = 0.5
_GIB = 2**30


def parsing_memory() -> int:
    """Bytes of memory that reading one file may take: half of the machine's."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a POSIX system, or it does not tell
        whole = _WITHOUT_SYSCONF
    return int(_SHARE * whole)


def parse_in_child(
    function: str,
    path: Path,
    arguments: Sequence[Any] = (),
    *,
    fault: str = "cannot be read",
    remedy: str = "Mend the file, or get it again.",
    timeout_s: float = 600.0,
    memory_bytes: int | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Call a parser on a file in a child process.

    Args:
        function: `module:name` of the parser, a function of the path (as text) and the arguments that returns arrays by
            name. Its module should import only what it needs: the child imports it anew. What it raises is
            reported as a fault of the file.
        path: the file.
        arguments: further arguments, plain data as in JSON.
        fault: what is said of the file before the reason, such as "is no MATLAB file or a damaged one".
        remedy: a sentence at the end of each message.
        timeout_s: wall time in seconds after which the child is killed.
        memory_bytes: limit on the child's address space, where the system has such a limit (Linux does); default:
            `parsing_memory()`.

    Returns:
        The arrays by name, none of them of objects.

    Raises:
        DataError: the file is damaged: the parser raised an exception, was ended by a signal, or went over a limit.

    Example:
        >>> parse_in_child("autoloss_tasks._mat_file:arrays", Path("train_32x32.mat"), [["X", "y"]])  # doctest: +SKIP
    """
    memory = parsing_memory() if memory_bytes is None else memory_bytes
    with tempfile.TemporaryDirectory(prefix="automl-loss-") as folder:
        job = {
            "sys_path": sys.path,
            "function": function,
            "path": str(path),
            "arguments": list(arguments),
            "folder": folder,
            "memory_bytes": memory,
            "timeout_s": timeout_s,
        }
        try:
            done = subprocess.run(
                [sys.executable, str(_SCRIPT)],
                input=json.dumps(job),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise DataError(
                f"{path} was not read within {timeout_s:g} s, and reading it was ended. {remedy}"
            ) from None
        return _arrays(Path(folder), done, f"{path} {fault}", memory, remedy)


def _arrays(
    folder: Path, done: subprocess.CompletedProcess[str], start: str, memory: int, remedy: str
) -> dict[str, npt.NDArray[Any]]:
    """Load what the child left in its folder, or raise what it says."""
    outcome = folder / "outcome.json"
    if done.returncode != 0 or not outcome.exists():
        raise DataError(f"{start}: reading it ended the process that did {_ending(done)}. {remedy}")
    said = json.loads(outcome.read_text(encoding="utf-8"))
    if said["memory"]:
        raise DataError(
            f"{start}: reading it needs more than {memory / _GIB:.3g} GiB of memory, the most that a file may take; "
            f"it is too large, or damaged. {remedy}"
        )
    if said["error"] is not None:
        raise DataError(f"{start}: {said['error']}. {remedy}")
    return {
        name: np.load(folder / f"{index}.npy", allow_pickle=False) for index, name in enumerate(said["names"])
    }


def _ending(done: subprocess.CompletedProcess[str]) -> str:
    """Describe how a child ended that could not say so itself."""
    code = done.returncode
    if code >= 0:
        last = (done.stderr.strip().splitlines() or ["it left no message"])[-1]
        return f"with exit code {code} ({last[:200]})"
    name = next((each.name for each in signal.Signals if each.value == -code), str(-code))
    meaning = {"SIGKILL": " (out of memory, or killed by somebody)", "SIGXCPU": " (it took too long)"}
    return f"by signal {name}{meaning.get(name, '')}"
