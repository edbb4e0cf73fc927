"""Rows of a task as tensors, and the order in which training visits them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automl_loss.errors import EvaluationError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.task import Split
from automl_loss.seeds import generator


@dataclass(frozen=True)
class Rows:
    """A split on the device.

    Args:
        x: `(rows, *input_shape)` inputs.
        target: `(rows,)` int64 class indices, or `(rows, outputs)` floats.
    """

    x: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, index: Tensor) -> Rows:
        """Rows by index; an index of shape `(P, batch)` gives a batch per network."""
        return Rows(self.x[index], self.target[index])

    @classmethod
    def of(cls, split: Split, problem: Problem, device: torch.device, dtype: torch.dtype) -> Rows:
        """Checked tensors of a split."""
        if len(split.x) != len(split.y) or not len(split.y):
            raise EvaluationError(
                f"a split has {len(split.x)} inputs and {len(split.y)} targets; expected equal, non-zero."
            )
        if tuple(split.x.shape[1:]) != problem.input_shape:
            raise EvaluationError(
                f"the task's inputs have shape {tuple(split.x.shape[1:])}, its problem says {problem.input_shape}."
            )
        x = torch.as_tensor(split.x, device=device).to(dtype)
        if problem.is_classification:
            target = torch.as_tensor(split.y, device=device).to(torch.int64)
            if target.ndim != 1 or int(target.min()) < 0 or int(target.max()) >= problem.classes:
                raise EvaluationError(
                    f"targets of shape {tuple(target.shape)} from {int(target.min())} to {int(target.max())}; "
                    f"expected (rows,) class indices from 0 to {problem.classes - 1}."
                )
        else:
            target = torch.as_tensor(split.y, device=device).to(dtype)
            if tuple(target.shape[1:]) != (problem.output_dim,):
                raise EvaluationError(
                    f"targets of shape {tuple(target.shape)}; expected (rows, {problem.output_dim})."
                )
        return cls(x, target)


class BatchOrder:
    """Indices of each step's batch: a stream of epoch permutations, a function of (seed, step) alone.

    Batches cross the ends of epochs, so every batch is full; a data set smaller than the batch size is one batch.
    """

    def __init__(self, rows: int, batch_size: int, seed: int) -> None:
        self._rows = rows
        self._size = min(batch_size, rows)
        self._seed = seed
        self._epochs: dict[int, npt.NDArray[np.int64]] = {}

    def __getitem__(self, step: int) -> npt.NDArray[np.int64]:
        """`(batch,)` row indices of a step, counted from 0."""
        start = step * self._size
        first, offset = divmod(start, self._rows)
        last = (start + self._size - 1) // self._rows
        self._epochs = {epoch: order for epoch, order in self._epochs.items() if epoch >= first}
        pieces = [self._epoch(epoch) for epoch in range(first, last + 1)]
        joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return joined[offset : offset + self._size]

    def _epoch(self, epoch: int) -> npt.NDArray[np.int64]:
        if epoch not in self._epochs:
            self._epochs[epoch] = generator(self._seed, "batches", epoch).permutation(self._rows)
        return self._epochs[epoch]
