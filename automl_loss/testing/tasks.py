"""Laws of tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from automl_loss.plugins.task import Split, Task
from automl_loss.search.leakage import look
from automl_loss.testing.law import Subject, law
from automl_loss.testing.randomness import touched

_MOST_SHARED = 0.05
"""Share of rows that may be equal in two splits: real data sets hold some rows twice."""
_ROWS = 2000
_SEED = 3


def _make(subject: Subject) -> Task:
    made: Task = subject.cls(subject.config())
    return made


def _parts(task: Task, seed: int = _SEED) -> dict[str, Split]:
    splits = task.splits(seed)
    return {"training": splits.train, "validation": splits.validation, "test": task.test(seed)}


def _prepared(split: Split) -> npt.NDArray[Any]:
    """Return the first rows, prepared as networks see them."""
    import torch

    x = split.x[:_ROWS]
    if isinstance(x, np.ndarray):
        return x
    return np.asarray(x.prepare(torch.as_tensor(x.stored), torch.float32))


def _same(one: Split, other: Split) -> bool:
    return np.array_equal(_prepared(one), _prepared(other)) and np.array_equal(one.y, other.y)


@law(
    "splits-have-the-problem-s-shape",
    "Inputs and targets have the shapes and types that `problem` states, and are finite.",
    "Give float32 inputs `(rows, *input_shape)`; int64 class indices from 0, or float32 targets `(rows, outputs)`.",
)
def shapes(subject: Subject) -> str | None:
    """Check all three splits."""
    task = _make(subject)
    problem = task.problem()
    for name, split in _parts(task).items():
        x, y = _prepared(split), split.y
        if tuple(x.shape[1:]) != problem.input_shape or x.dtype != np.float32:
            return f"{name} inputs are {x.dtype} of shape {x.shape}; the problem says {problem.input_shape}"
        if len(split.x) != len(y) or not len(y):
            return f"{name} has {len(split.x)} inputs and {len(y)} targets"
        if not np.isfinite(x).all() or not np.isfinite(np.asarray(y, dtype=np.float64)).all():
            return f"{name} holds values that are not finite"
        if problem.is_classification:
            if y.ndim != 1 or y.dtype.kind != "i" or y.min() < 0 or y.max() >= problem.classes:
                return f"{name} targets are {y.dtype} of shape {y.shape} from {y.min()} to {y.max()}"
        elif y.shape[1:] != (problem.output_dim,) or y.dtype.kind != "f":
            return f"{name} targets are {y.dtype} of shape {y.shape}; expected floats (rows, {problem.output_dim})"
    return None


@law(
    "splits-are-a-function-of-the-seed",
    "The same seed gives the same splits, from one object and from another.",
    "Draw from `automl_loss.generator(seed, ...)` alone.",
)
def deterministic(subject: Subject) -> str | None:
    """Make the splits twice by one task and once by another."""
    task = _make(subject)
    first, again, other = _parts(task), _parts(task), _parts(_make(subject))
    for name in first:
        if not _same(first[name], again[name]):
            return f"{name} rows differ from one call to the next"
        if not _same(first[name], other[name]):
            return f"{name} rows differ from one object to the next"
    return None


@law(
    "splits-are-disjoint",
    "No row is in two of the three splits.",
    "Permute once, and cut; a row that was trained on tests nothing.",
)
def disjoint(subject: Subject) -> str | None:
    """Compare rows by their bytes; a few equal rows are allowed, as real data have some."""
    parts = {
        name: [
            row.tobytes() + np.asarray(target).tobytes()
            for row, target in zip(_prepared(s), s.y, strict=False)
        ]
        for name, s in _parts(_make(subject)).items()
    }
    names = list(parts)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            shared = set(parts[one]) & set(parts[other])
            count = sum(row in shared for row in parts[other])
            if count > _MOST_SHARED * len(parts[other]):
                return f"{count} of {len(parts[other])} {other} rows are among the {one} rows, too"
    # What a run refuses, on all rows.
    refused = next((common for common in look(_make(subject), _SEED) if common.refused), None)
    return None if refused is None else f"there are {refused}"


@law(
    "scalers-see-training-rows-alone",
    "What standardises inputs is fitted on the training rows.",
    "Fit the scaler on `x[train]`, then transform all three.",
)
def scaler(subject: Subject) -> str | None:
    """Find columns that are standardised over all rows, but not over the training rows."""
    found = _parts(_make(subject))
    parts = {name: _prepared(split).reshape(min(len(split), _ROWS), -1) for name, split in found.items()}
    train, everything = (
        parts["training"].astype(np.float64),
        np.concatenate(list(parts.values())).astype(np.float64),
    )

    def standard(x: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        return np.asarray((np.abs(x.mean(0)) < 1e-5) & (np.abs(x.std(0) - 1) < 1e-4))

    leaked = standard(everything) & ~standard(train)
    if leaked.any() and not standard(train).any():
        return f"{int(leaked.sum())} columns are standard over all splits together, and none over the training rows"
    return None


@law(
    "training-knows-every-class",
    "Every class has a training row.",
    "Stratify the split by class.",
)
def classes(subject: Subject) -> str | None:
    """Count the classes of the training rows, in classification."""
    task = _make(subject)
    problem = task.problem()
    if not problem.is_classification:
        return None
    missing = sorted(set(range(problem.classes)) - set(task.splits(_SEED).train.y.tolist()))
    return f"classes {missing} have none" if missing else None


@law(
    "global-randomness-untouched",
    "Splitting leaves the global random state of Python, numpy and torch alone.",
    "Draw from `automl_loss.generator(seed, ...)`; hand scikit-learn a `random_state`.",
)
def randomness(subject: Subject) -> str | None:
    """Make all splits, and compare the global random states."""
    return touched(lambda: _parts(_make(subject)))


@law(
    "instances-share-nothing",
    "What is done to one task's arrays, another does not see.",
    "Copy what is cached in the class or the module before handing it out, or make it read-only.",
)
def share_nothing(subject: Subject) -> str | None:
    """Write into the training inputs of one task, and compare another's."""
    one, two = _make(subject), _make(subject)
    before = _prepared(two.splits(_SEED).train).copy()
    split = one.splits(_SEED).train
    if isinstance(split.x, np.ndarray) and split.x.flags.writeable:
        split.x[...] = 0
    return None if np.array_equal(before, _prepared(two.splits(_SEED).train)) else "the other's rows changed"


LAWS = (shapes, deterministic, disjoint, scaler, classes, randomness, share_nothing)
