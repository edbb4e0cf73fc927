"""Split training and validation rows anew, or move validation rows to training.

Validation rows that are known to be clean can be trained on. And a choice made on validation rows is better judged on
other rows: training and validation rows are drawn anew from both for this, and test rows are not used.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from automl_loss.engine.data.rows import Rows
from automl_loss.engine.settings import Resplit
from automl_loss.seeds import generator

HELD_OUT = 0.2
"""Share of the validation rows kept for the stopping rule; the rest is trained on."""


def resplit(train: Rows, validation: Rows, how: Resplit, seed: int) -> tuple[Rows, Rows]:
    """Return training and validation rows for lanes that train on validation rows, or on rows drawn anew.

    Args:
        train: the training rows.
        validation: the validation rows; all but a fifth of them, drawn by the seed, are trained on.
        how: which rows are trained on; a number draws both splits anew, each as large as it was and, for
            classification, with as many rows of each class.
        seed: the run seed.
    """
    if isinstance(how, int):
        return _redrawn(train, validation, generator(seed, "redrawn", how))
    order = generator(seed, "rearranged").permutation(len(validation))
    kept = max(1, round(HELD_OUT * len(validation)))
    held, used = (torch.as_tensor(np.sort(part)) for part in (order[:kept], order[kept:]))
    stored, target = validation.stored[used], validation.target[used]
    if how == "both":
        stored, target = torch.cat([train.stored, stored]), torch.cat([train.target, target])
    rest = Rows(validation.stored[held], validation.target[held], validation.inputs, validation.dtype)
    # They are prepared and augmented as training rows are.
    return Rows(stored, target, train.inputs, train.dtype), rest


def _redrawn(train: Rows, validation: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    stored = torch.cat([train.stored, validation.stored])
    target = torch.cat([train.target, validation.target])
    one_kind = torch.zeros(len(target), dtype=torch.int64)
    kinds = (target.cpu() if target.ndim == 1 else one_kind).numpy()
    held = []
    for kind, count in zip(*np.unique(kinds[len(train) :], return_counts=True), strict=True):
        held.append(rng.permutation(np.flatnonzero(kinds == kind))[:count])
    validating = np.sort(np.concatenate(held))
    training = np.setdiff1d(np.arange(len(target)), validating)

    def taken(rows: npt.NDArray[np.int64], like: Rows) -> Rows:
        index = torch.as_tensor(rows, device=stored.device)
        return Rows(stored[index], target[index], like.inputs, like.dtype)

    return taken(training, train), taken(validating, validation)
