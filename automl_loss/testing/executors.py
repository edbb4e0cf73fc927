"""Laws of executors."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_loss.engine.training.lane import Lane
from automl_loss.executors.in_order import current_version
from automl_loss.expression import parse
from automl_loss.losses.symbolic import SymbolicLoss
from automl_loss.plugins.executor import Executor, Failure
from automl_loss.testing.law import Subject, law
from automl_loss.testing.small import small_engine

if TYPE_CHECKING:
    from automl_loss.engine.engine import Engine

_LOSSES = ("square(sub(y, f))", "mul(mul(-1, y), log(f))", "abs(sub(y, f))", "mul(mul(-1, y), sqrt(f))")


def _make(subject: Subject) -> Executor:
    """Make the executor; one of version 1 is tested by the laws of version 2 through the adapter that runs use."""
    return current_version(subject.cls(subject.config(), threads=1))


def square(number: int) -> int:
    """Square a number, with delays such that later items end first."""
    time.sleep(0.02 * max(0, 6 - number))
    return number * number


def _fail(number: int) -> int:
    if number == 2:
        raise ArithmeticError("item 2")
    return number


def _children() -> set[int]:
    """Return the ids of child processes, where the system provides them."""
    folder = Path(f"/proc/{os.getpid()}/task")
    if not folder.is_dir():
        return set()
    found: set[int] = set()
    for task in folder.iterdir():
        with suppress(OSError):  # a thread that has ended meanwhile
            found |= set(map(int, (task / "children").read_text().split()))
    return found


def _map(subject: Subject, function: Any, chunks: list[Any], deadline: float | None = None) -> list[Any]:
    """Return the results of a fresh executor, in the order in which they come."""
    executor = _make(subject)
    try:
        return list(executor.map(function, chunks, deadline=deadline))
    finally:
        executor.close()


@law(
    "each-index-once",
    "Each chunk's index comes once, with what the function gives on it, in any order.",
    "Yield `(index, result)` for every chunk, its index being its place in `chunks`.",
)
def indices(subject: Subject) -> str | None:
    """Map over chunks of which the first take longest."""
    found = _map(subject, square, list(range(8)))
    right = all(isinstance(each, tuple) and len(each) == 2 for each in found)
    if right and sorted(found) == [(n, n * n) for n in range(8)]:
        return None
    return f"the squares of 0 to 7 came as {found}"


@law(
    "stages-compute-the-same-anywhere",
    "A stage of a search gives the same bits through the executor as in this process.",
    "Change no setting of torch around the function, and use processes, not threads: torch's forward mode is one for "
    "the whole process.",
)
def same_bits(subject: Subject) -> str | None:
    """Tune and train small chunks."""
    engine = small_engine()
    stage = partial(tune_and_train, engine)
    chunks = [(text,) for text in _LOSSES]
    expected = [stage(chunk) for chunk in chunks]
    found = dict(_map(subject, stage, chunks))
    for index, (chunk, one) in enumerate(zip(chunks, expected, strict=True)):
        if one != found.get(index):
            return f"{chunk[0]} gave {found.get(index)} where this process gave {one}"
    return None


def tune_and_train(engine: Engine, chunk: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Return weights and fitness of losses."""
    tuned = [each.loss for each in engine.tune([SymbolicLoss(parse(text)) for text in chunk])]
    lanes = [Lane(loss, engine.lr, engine.search_seed(0)) for loss in engine.match_scale(tuned)]
    return [(loss.weights, run.fitness) for loss, run in zip(tuned, engine.train(lanes), strict=True)]


@law("no-items-no-results", "No chunks give no results.", "Return an empty iterator.")
def empty(subject: Subject) -> str | None:
    """Map over no chunks."""
    found = _map(subject, square, [])
    return f"it gave {found}" if found else None


@law(
    "a-failure-harms-no-other",
    "A function that raises gives an `automl_loss.Failure` with what it raised, and all other chunks give results.",
    "Catch what the function raises, yield `(index, Failure.of(error))`, and go on.",
)
def failures(subject: Subject) -> str | None:
    """Map a function that fails on the third chunk."""
    try:
        found = dict(_map(subject, _fail, list(range(4))))
    except Exception as error:
        return f"it raised {error!r} itself"
    failed = found.pop(2, None)
    if not isinstance(failed, Failure) or not isinstance(failed.error, ArithmeticError):
        return f"the third chunk raised ArithmeticError, and its result was {failed!r}"
    # Version 1 of the contract ended with the first chunk that failed.
    whole = found == ({0: 0, 1: 1} if subject.cls.plugin_api == 1 else {0: 0, 1: 1, 3: 3})
    return None if whole else f"the other chunks gave {found}"


@law(
    "takes-a-deadline",
    "`map` takes `deadline`; chunks that end in time give their results.",
    "Accept `deadline`, and end a chunk that takes longer with a `Failure`.",
)
def deadline(subject: Subject) -> str | None:
    """Map over chunks that end long before the deadline."""
    found = _map(subject, square, [7, 8], deadline=60.0)
    return None if sorted(found) == [(0, 49), (1, 64)] else f"the squares of 7 and 8 came as {found}"


@law(
    "close-leaves-nothing",
    "After `close` no process is left, and closing again is no error.",
    "Shut workers down and wait for them.",
)
def closes(subject: Subject) -> str | None:
    """Compare the child processes before and after."""
    before = _children()
    executor = _make(subject)
    list(executor.map(square, list(range(4))))
    executor.close()
    executor.close()
    deadline = time.monotonic() + 5.0
    while (left := _left(before)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return f"{len(left)} processes are left" if left else None


def _left(before: set[int]) -> set[int]:
    """Return new child processes that still run; helpers that libraries keep for a process's life do not count."""
    left = set()
    for pid in _children() - before:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            continue
        if line and "resource_tracker" not in line:
            left.add(pid)
    return left


LAWS = (indices, same_bits, empty, failures, deadline, closes)
