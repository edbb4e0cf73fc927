"""Split rows by the seed, stratified for classification."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from automl_loss import RecipeError, stream

Array = npt.NDArray[Any]


def hold_out(rows: Array, share: float, seed: int, labels: Array | None) -> tuple[Array, Array]:
    """Return sorted rows that are kept, and sorted rows that are held out.

    Args:
        rows: `(n,)` row numbers.
        share: share of the rows to hold out.
        seed: the split seed.
        labels: `(n,)` class indices of those rows, whose proportions both parts keep; `None` for a regression.

    Raises:
        RecipeError: there are too few rows, or too few of a class.
    """
    from sklearn.model_selection import train_test_split

    taken = int(np.ceil(share * len(rows)))
    classes, sizes = (labels, labels) if labels is None else np.unique(labels, return_counts=True)
    if len(rows) < 2:
        raise RecipeError(f"task: {len(rows)} row(s) cannot be split; give more rows.")
    if classes is not None and sizes is not None:
        if sizes.min() < 2:
            raise RecipeError(
                f"task: class {classes[sizes.argmin()]} has one row, which cannot be in two splits; give it more "
                f"rows, or leave it out."
            )
        if min(taken, len(rows) - taken) < len(classes):
            raise RecipeError(
                f"task: {len(rows)} rows are too few: {taken} of them would be held out, for {len(classes)} "
                f"classes. Give at least {int(np.ceil(len(classes) / share))} rows."
            )
    kept, held = train_test_split(
        rows, test_size=share, random_state=stream(seed, "split") % 2**32, stratify=labels
    )
    return np.sort(kept), np.sort(held)
