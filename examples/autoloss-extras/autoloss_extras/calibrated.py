"""Evaluator `calibrated`: partial training that also says what else a loss is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

from pydantic import Field

from autoloss_extras._calibration import calibration
from automl_loss import (
    Candidate,
    Context,
    Engine,
    Evaluator,
    Lane,
    Loss,
    Outcome,
    PluginConfig,
    Status,
    Trained,
    TrainingEngine,
)


class Calibrated(Evaluator):
    """Trains fresh networks under each loss, and reports its complexity and their calibration on validation.

    Fitness is that of `partial-training`, averaged over `training.seeds`. In `Outcome.metrics` stand, beside it,
    `complexity`, and, with one task, `nll` and `ece` in classification, `bias` and `slope` in regression, of the
    networks that the stopping rule chose. All candidates train in full on the same seeds: `training.rungs` are
    recorded and stop none, and `training.top_seeds` adds no runs.
    """

    plugin_api = 1
    tunes = False

    class Config(PluginConfig):
        """Options of the evaluator."""

        bins: int = Field(15, ge=1, description="bins of confidence for the expected calibration error")

    config: Config

    def evaluate(self, candidates: Sequence[Candidate], context: Context) -> list[Outcome]:
        """See `Evaluator.evaluate`; the recipe's `training` section says how."""
        return list(context.map(partial(_train, context.engine, self.config.bins), candidates))


def _train(engine: TrainingEngine, bins: int, chunk: Sequence[Candidate]) -> list[Outcome]:
    """Stage: one chunk, maybe in another process."""
    losses = engine.match_scale([candidate.loss for candidate in chunk])
    rates = [candidate.lr(engine.lr) for candidate in chunk]
    # With several tasks there is no one network to look at.
    schedule = replace(engine.schedule, keep=isinstance(engine, Engine))
    runs = [
        engine.train(
            [Lane(loss, lr, engine.search_seed(i)) for loss, lr in zip(losses, rates, strict=True)], schedule
        )
        for i in range(engine.training.seeds)
    ]
    return [
        _outcome(engine, bins, candidate, loss, own)
        for candidate, loss, own in zip(chunk, losses, zip(*runs, strict=True), strict=True)
    ]


def _outcome(
    engine: TrainingEngine, bins: int, candidate: Candidate, loss: Loss, runs: Sequence[Trained]
) -> Outcome:
    steps, seconds = float(sum(run.steps for run in runs)), sum(run.seconds for run in runs)
    reached = [run.fitness for run in runs if run.fitness is not None]
    if len(reached) < len(runs):
        return Outcome(candidate.id, Status.DIVERGED, None, loss, steps=steps, seconds=seconds)
    figures = [_calibration(engine, bins, run) for run in runs] if isinstance(engine, Engine) else [{}]
    return Outcome(
        candidate.id,
        Status.EVALUATED,
        fmean(reached),
        loss,
        metrics={"complexity": float(loss.complexity)}
        | {k: fmean(f[k] for f in figures) for k in figures[0]},
        rungs=tuple(map(fmean, zip(*(run.rungs for run in runs), strict=True))),
        steps=steps,
        seconds=seconds,
    )


def _calibration(engine: Engine, bins: int, run: Trained) -> dict[str, float]:
    assert run.network is not None  # kept, and it did not diverge
    rows = engine.validation_rows
    (raw,) = engine.network.outputs(run.network, rows)
    return calibration(raw, rows.target, engine.problem, bins)
