"""Define `Rows`, a split as tensors, and `BatchOrder`, the order in which training visits rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automl_loss.errors import EvaluationError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.task import Inputs, Split
from automl_loss.seeds import generator


@dataclass(frozen=True)
class Rows:
    """A split on the device.

    Rows of a split, or of a batch whose inputs need no preparation, are kept as networks see them. Where a split
    has `Inputs`, its rows stay in stored form and a batch is prepared when it is taken.

    Augmentation draws from a generator that is a function of the batch's row numbers in their order. Those are a
    function of seed and step alone, and so are the draws: all candidates see the same images, however they are
    batched. (A batch of one row is augmented the same way each time.)

    Args:
        stored: `(rows, *input_shape)` inputs, as networks see them or as `inputs` keeps them.
        target: `(rows,)` int64 class indices, or `(rows, outputs)` floats.
        inputs: prepares `stored`; `None` when it is as networks see it.
        dtype: dtype of prepared inputs.
    """

    stored: Tensor
    target: Tensor
    inputs: Inputs | None = None
    dtype: torch.dtype = torch.float32

    def __len__(self) -> int:
        return len(self.target)

    @property
    def x(self) -> Tensor:
        """`(rows, *input_shape)` inputs as networks see them, not augmented."""
        return self.stored if self.inputs is None else self.inputs.prepare(self.stored, self.dtype)

    def blocks(self, size: int) -> Iterator[Tensor]:
        """Yield `x` in blocks of at most `size` rows, prepared one by one: a large split is never held as floats."""
        for piece in torch.split(self.stored, size):
            yield piece if self.inputs is None else self.inputs.prepare(piece, self.dtype)

    def __getitem__(self, index: Tensor) -> Rows:
        """Return rows by index, augmented and prepared; an index of shape `(P, batch)` gives a batch per network."""
        stored, target = self.stored[index], self.target[index]
        if self.inputs is None:
            return Rows(stored, target)
        order = index.cpu().numpy()
        if index.ndim == 1:
            stored = self.inputs.augment(stored, _generator_of(order))
        else:
            each = [self.inputs.augment(stored[i], _generator_of(order[i])) for i in range(len(order))]
            stored = torch.stack(each)
        return Rows(self.inputs.prepare(stored, self.dtype), target)

    @classmethod
    def of(cls, split: Split, problem: Problem, device: torch.device, dtype: torch.dtype) -> Rows:
        """Check a split, and convert it to tensors."""
        if len(split.x) != len(split.y) or not len(split.y):
            raise EvaluationError(
                f"a split has {len(split.x)} inputs and {len(split.y)} targets; expected equal, non-zero."
            )
        if tuple(split.x.shape[1:]) != problem.input_shape:
            raise EvaluationError(
                f"the task's inputs have shape {tuple(split.x.shape[1:])}, its problem says {problem.input_shape}."
            )
        target = _target(split, problem, device, dtype)
        if isinstance(split.x, Inputs):
            return cls(torch.as_tensor(split.x.stored, device=device), target, split.x, dtype)
        return cls(torch.as_tensor(split.x, device=device).to(dtype), target)


def _target(split: Split, problem: Problem, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Check a split's targets, and convert them to a tensor."""
    if not problem.is_classification:
        target = torch.as_tensor(split.y, device=device).to(dtype)
        if tuple(target.shape[1:]) != (problem.output_dim,):
            raise EvaluationError(
                f"targets of shape {tuple(target.shape)}; expected (rows, {problem.output_dim})."
            )
        return target
    target = torch.as_tensor(split.y, device=device).to(torch.int64)
    if target.ndim != 1 or int(target.min()) < 0 or int(target.max()) >= problem.classes:
        raise EvaluationError(
            f"targets of shape {tuple(target.shape)} from {int(target.min())} to {int(target.max())}; "
            f"expected (rows,) class indices from 0 to {problem.classes - 1}."
        )
    return target


def _generator_of(rows: npt.NDArray[np.int64]) -> np.random.Generator:
    """Return a generator on the stream of a batch, given by its row numbers in their order."""
    digest = hashlib.blake2b(np.ascontiguousarray(rows, dtype="<i8").tobytes(), digest_size=8).digest()
    return generator(int.from_bytes(digest, "big"), "augmentation")


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
        """Return the `(batch,)` row indices of a step, counted from 0."""
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
