"""Compute value and derivatives of many losses at once, by compiled code or by autograd."""

from __future__ import annotations

from collections.abc import Sequence

from automl_loss.engine.kernels.base import LossKernel
from automl_loss.engine.kernels.compiled import CompiledKernel
from automl_loss.engine.kernels.mixed import MixedKernel
from automl_loss.engine.kernels.reference import ReferenceKernel
from automl_loss.losses.base import Loss

__all__ = ["CompiledKernel", "LossKernel", "MixedKernel", "ReferenceKernel", "kernel_for"]


def kernel_for(losses: Sequence[Loss], *, compiled: bool = True, threads: int = 1) -> LossKernel:
    """Return the fastest kernel for these losses.

    Args:
        losses: the P losses, at least one, all with `space == "prediction"`.
        compiled: whether losses with a program run in compiled code, which needs tensors on CPU. `False`: all
            by autograd.
        threads: number of threads of the compiled kernel.

    Raises:
        ValueError: no losses, or one that compares raw outputs.
    """
    if not losses:
        raise ValueError("`kernel_for` needs at least one loss but got none.")
    fast, slow = [], []
    for place, loss in enumerate(losses):
        program = loss.program if compiled and loss.space == "prediction" else None
        if program is None:
            slow.append(place)
        else:
            fast.append((place, program))
    parts: list[tuple[LossKernel, list[int]]] = []
    if fast:
        parts.append(
            (CompiledKernel([program for _, program in fast], threads), [place for place, _ in fast])
        )
    if slow:
        parts.append((ReferenceKernel([losses[place] for place in slow]), slow))
    return parts[0][0] if len(parts) == 1 else MixedKernel(parts)
