"""Laws of executors."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_loss.expression import parse
from automl_loss.losses.symbolic import SymbolicLoss
from automl_loss.plugins.executor import Executor
from automl_loss.testing.law import Subject, law
from automl_loss.testing.small import small_engine

if TYPE_CHECKING:
    from automl_loss.engine.engine import Engine

_LOSSES = ("square(sub(y, f))", "mul(mul(-1, y), log(f))", "abs(sub(y, f))", "mul(mul(-1, y), sqrt(f))")


def _make(subject: Subject) -> Executor:
    made: Executor = subject.cls(subject.config(), threads=1)
    return made


def square(number: int) -> int:
    """Later items end first."""
    time.sleep(0.02 * max(0, 6 - number))
    return number * number


def _fail(number: int) -> int:
    if number == 2:
        raise ArithmeticError("item 2")
    return number


def _children() -> set[int]:
    """Processes below this one, where the system tells."""
    folder = Path(f"/proc/{os.getpid()}/task")
    if not folder.is_dir():
        return set()
    return {int(pid) for task in folder.iterdir() for pid in (task / "children").read_text().split()}


@law(
    "order-is-kept",
    "Results come in the order of the items, and are what the function gives.",
    "Hand results out by the order of submission, not of completion.",
)
def order(subject: Subject) -> str | None:
    """Items of which the first take longest."""
    executor = _make(subject)
    try:
        found = list(executor.map(square, range(8)))
    finally:
        executor.close()
    return None if found == [n * n for n in range(8)] else f"the squares of 0 to 7 came as {found}"


@law(
    "stages-compute-the-same-anywhere",
    "A stage of a search gives the same bits through the executor as in this process.",
    "Change no setting of torch around the function, and use processes, not threads: torch's forward mode is one for "
    "the whole process.",
)
def same_bits(subject: Subject) -> str | None:
    """Tuning and training of small chunks."""
    engine = small_engine()
    stage = partial(tune_and_train, engine)
    chunks = [(text,) for text in _LOSSES]
    expected = [stage(chunk) for chunk in chunks]
    executor = _make(subject)
    try:
        found = list(executor.map(stage, chunks))
    finally:
        executor.close()
    for chunk, one, other in zip(chunks, expected, found, strict=True):
        if one != other:
            return f"{chunk[0]} gave {other} where this process gave {one}"
    return None


def tune_and_train(engine: Engine, chunk: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Weights and fitness of losses."""
    tuned = [each.loss for each in engine.tune([SymbolicLoss(parse(text)) for text in chunk])]
    trained = engine.train(engine.match_scale(tuned))
    return [(loss.weights, run.fitness) for loss, run in zip(tuned, trained, strict=True)]


@law("no-items-no-results", "An empty list of items gives no results.", "Return an empty iterator.")
def empty(subject: Subject) -> str | None:
    """None."""
    executor = _make(subject)
    try:
        found = list(executor.map(square, []))
    finally:
        executor.close()
    return f"it gave {found}" if found else None


@law(
    "errors-come-through",
    "What the function raises, the caller gets.",
    "Let the exception pass; swallow and replace nothing.",
)
def errors(subject: Subject) -> str | None:
    """The third item fails."""
    executor = _make(subject)
    try:
        found = list(executor.map(_fail, range(4)))
    except ArithmeticError:
        return None
    finally:
        executor.close()
    return f"the third item raised, and the results were {found}"


@law(
    "close-leaves-nothing",
    "After `close` no process is left, and closing again is no error.",
    "Shut workers down and wait for them.",
)
def closes(subject: Subject) -> str | None:
    """Child processes, before and after."""
    before = _children()
    executor = _make(subject)
    list(executor.map(square, range(4)))
    executor.close()
    executor.close()
    deadline = time.monotonic() + 5.0
    while (left := _left(before)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return f"{len(left)} processes are left" if left else None


def _left(before: set[int]) -> set[int]:
    """New children that still work; helpers that libraries keep for the life of a process do not count."""
    left = set()
    for pid in _children() - before:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            continue
        if line and "resource_tracker" not in line:
            left.add(pid)
    return left


LAWS = (order, same_bits, empty, errors, closes)
