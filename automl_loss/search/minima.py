"""Networks as training leaves them: the parameters that the stopping rule chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automl_loss.engine.engine import Engine
from automl_loss.engine.network import State
from automl_loss.engine.paused import PausedRun
from automl_loss.engine.training import Schedule
from automl_loss.losses.base import Loss


@dataclass(frozen=True)
class Minimum:
    """A trained network.

    Args:
        state: of width 1, at `step`.
        step: that the stopping rule chose.
        fitness: validation metric there, lower is better.
        seed: of its initial weights and batches.
    """

    state: State
    step: int
    fitness: float
    seed: int


def train_to_minima(engine: Engine, loss: Loss, lr: float, steps: int, seeds: Sequence[int]) -> list[Minimum]:
    """Train a network on each seed and keep its parameters at the step that the stopping rule chooses.

    Training is the engine's own. It gives parameters away only where it pauses, so it is paused at every look at
    the validation metric, which changes no bit of it; and since it does not pause at its last step, it is told of
    one step more.

    Args:
        engine: trains.
        loss: at its final weights and scale.
        lr: learning rate.
        steps: length of training.
        seeds: one network each.

    Returns:
        The networks whose training stayed finite, in order.
    """
    whole = Schedule(steps + 1)
    looks = [look for look in Schedule(whole.steps, rungs=(steps,)).looks if look <= steps]
    paused: dict[int, bytes] = {}
    best: dict[int, Minimum] = {}
    alive = list(range(len(seeds)))
    for look in looks:
        results = engine.train(
            [loss] * len(alive),
            lr=lr,
            steps=whole.steps,
            rungs=looks,
            seed=[seeds[i] for i in alive],
            until=look,
            paused=[paused[i] for i in alive] if paused else (),
        )
        for i, result in zip(alive, results, strict=True):
            if result.paused is None or result.fitness is None:
                best.pop(i, None)
                continue
            paused[i] = result.paused
            if result.best_step == look:
                state = _state(result.paused, engine)
                best[i] = Minimum(state, look, result.fitness, seeds[i])
        alive = [i for i in alive if i in best]
        if not alive:
            break
    return [best[i] for i in sorted(best)]


def _state(paused: bytes, engine: Engine) -> State:
    run = PausedRun.from_bytes(paused)
    buffers = {name: value[None].to(engine.device) for name, value in run.buffers.items()}
    return State(run.theta[None].to(engine.device), buffers)
