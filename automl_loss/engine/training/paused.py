"""A training run that was stopped at a step, as bytes from which it goes on to the last bit."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from automl_loss.engine.network.network import State
from automl_loss.engine.training.optimizers import StackedOptimizer


@dataclass(frozen=True)
class PausedRun:
    """All that the rest of one network's training depends on, beside its loss, learning rate and seed.

    Args:
        step: steps trained.
        theta: `(parameters,)`.
        buffers: by name, without the leading dimension of a batch of networks.
        optimizer: what the optimiser holds for this network.
        generator: state of torch's global generator, which dropout draws from.
        watch: what the stopping rule has seen.
    """

    step: int
    theta: Tensor
    buffers: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    generator: Tensor
    watch: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """The run as bytes."""
        stream = io.BytesIO()
        torch.save(asdict(self), stream)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> PausedRun:
        """The run that `to_bytes` was called on, on the CPU."""
        return cls(**torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))


def pause(
    step: int, state: State, optimizer: StackedOptimizer, watch: Sequence[Mapping[str, Any] | None]
) -> list[bytes | None]:
    """Take every network of a batch out; a finished one, whose `watch` is `None`, gives `None`.

    Call it within the block whose random numbers the training draws.
    """
    generator = _generator_state(state.theta.device)
    held = {name: value for name, value in vars(optimizer).items() if value is not None}
    return [
        None if seen is None
        else PausedRun(
            step,
            _row(state.theta, i),
            {name: _row(value, i) for name, value in state.buffers.items()},
            {name: _row(value, i) if isinstance(value, Tensor) else value for name, value in held.items()},
            generator,
            seen,
        ).to_bytes()
        for i, seen in enumerate(watch)
    ]  # fmt: skip


def go_on(runs: Sequence[PausedRun], optimizer: StackedOptimizer, device: torch.device) -> State:
    """Put networks together in a batch, which need not be the one they were taken from.

    Call it within the block whose random numbers the training draws: torch's generator is set to where the first
    network's was. Networks that draw random numbers share a batch with their own seed alone, so all agree on it.

    Returns:
        The networks' state; the optimiser is changed in place.
    """
    steps = sorted({run.step for run in runs})
    if len(steps) > 1:
        raise ValueError(f"runs that were paused at steps {steps} cannot be trained as one batch.")

    def joined(pieces: Sequence[Any]) -> Any:
        return torch.stack(list(pieces)).to(device) if isinstance(pieces[0], Tensor) else pieces[0]

    first = runs[0]
    vars(optimizer).update({name: joined([run.optimizer[name] for run in runs]) for name in first.optimizer})
    _set_generator_state(first.generator, device)
    return State(
        joined([run.theta for run in runs]),
        {name: joined([run.buffers[name] for run in runs]) for name in first.buffers},
    )


def _row(stacked: Tensor, i: int) -> Tensor:
    # A copy: `torch.save` writes all of the memory that a view looks at.
    return stacked[i].detach().cpu().clone()


def _generator_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_generator_state(state: Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
