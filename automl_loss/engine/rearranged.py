"""Training on the validation rows: what one would do with rows that are known to be clean, besides choosing on them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from automl_loss.engine.data import Rows
from automl_loss.seeds import generator

Rearrangement = Literal["validation", "both"]
"""`validation`: train on the validation rows alone; `both`: on training and validation rows."""

HELD_OUT = 0.2
"""Share of the validation rows that the stopping rule keeps; the rest is trained on."""


def rearrange(train: Rows, validation: Rows, how: Rearrangement, seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows of an engine that trains on validation rows, too.

    Args:
        train: the training rows.
        validation: the validation rows, of which a fifth, drawn by the seed, stays what it is.
        how: which rows are trained on.
        seed: the run seed.
    """
    order = generator(seed, "rearranged").permutation(len(validation))
    kept = max(1, round(HELD_OUT * len(validation)))
    held, used = (torch.as_tensor(np.sort(part)) for part in (order[:kept], order[kept:]))
    stored, target = validation.stored[used], validation.target[used]
    if how == "both":
        stored, target = torch.cat([train.stored, stored]), torch.cat([train.target, target])
    rest = Rows(validation.stored[held], validation.target[held], validation.inputs, validation.dtype)
    # Prepared, and augmented, as training rows are.
    return Rows(stored, target, train.inputs, train.dtype), rest
