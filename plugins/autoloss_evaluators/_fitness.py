"""Fitness by partial training, raced at the recipe's rungs, and on more seeds for the best of a generation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

from automl_loss import Candidate, Context, Engine, Leg, Loss, Outcome, Status, race

_TOP = 0.2


def evaluate(candidates: Sequence[Candidate], context: Context, *, tune: bool) -> list[Outcome]:
    """Tune (or not) and train every candidate; then train the top fifth on more seeds, and average."""
    settings = context.engine.training
    first = race(candidates, context, partial(_tune_and_train, context.engine, tune))
    completed = sorted((outcome for outcome in first if outcome.status.completed), key=lambda o: o.rank_key)
    if not settings.top_seeds or not completed:
        return first
    top = {outcome.id: outcome for outcome in completed[: math.ceil(_TOP * len(first))]}
    again = [replace(c, loss=top[c.id].loss) for c in candidates if c.id in top]
    seeds = tuple(range(settings.seeds, settings.seeds + settings.top_seeds))
    more = {
        outcome.id: outcome for outcome in context.map(partial(_train_again, context.engine, seeds), again)
    }
    return [_average(outcome, more[outcome.id], settings.seeds, len(seeds)) if outcome.id in more else outcome
            for outcome in first]  # fmt: skip


def _tune_and_train(engine: Engine, tune: bool, chunk: tuple[Candidate, ...], leg: Leg) -> list[Outcome]:
    """Stage: the candidates of a chunk, tuned, set to scale and trained on the search's common seeds.

    After the first leg their losses are final.
    """
    seeds = range(engine.training.seeds)
    if leg.start:
        return _train(engine, chunk, seeds, leg)
    losses = engine.match_scale([candidate.loss for candidate in chunk])
    if not tune:
        return _train(engine, _with_losses(chunk, losses), seeds, leg)
    tuned = engine.tune(losses)
    final = _with_losses(chunk, engine.match_scale([result.loss for result in tuned]))
    useless = engine.rejects([candidate.loss for candidate in final])
    useful = [candidate for candidate, bad in zip(final, useless, strict=True) if not bad]
    trained = iter(_train(engine, useful, seeds, leg))
    outcomes = []
    for candidate, result, bad in zip(final, tuned, useless, strict=True):
        outcome = _refused(candidate) if bad else next(trained)
        metrics = {
            **outcome.metrics,
            "tuned_exactly": float(result.exact),
            "tuning_refused": float(result.refused),
        }
        outcomes.append(replace(outcome, steps=outcome.steps + result.steps, metrics=metrics))
    return outcomes


def _with_losses(chunk: Sequence[Candidate], losses: Sequence[Loss]) -> list[Candidate]:
    return [replace(candidate, loss=loss) for candidate, loss in zip(chunk, losses, strict=True)]


def _refused(candidate: Candidate) -> Outcome:
    message = "after tuning, optimising free outputs under it does not improve the metric"
    return Outcome(candidate.id, Status.REJECTED, None, candidate.loss, message=message)


def _train_again(engine: Engine, seeds: tuple[int, ...], chunk: tuple[Candidate, ...]) -> list[Outcome]:
    """Stage: more runs of candidates whose losses are final."""
    return _train(engine, chunk, seeds, Leg(0, engine.training.steps))


def _train(engine: Engine, chunk: Sequence[Candidate], seeds: Sequence[int], leg: Leg) -> list[Outcome]:
    lr = [candidate.overrides.get("lr", engine.lr) for candidate in chunk]
    losses = [candidate.loss for candidate in chunk]
    if not chunk:
        return []
    # All runs of a chunk are one batch: a few networks cost little more than one.
    lanes = engine.train(
        losses * len(seeds),
        lr=lr * len(seeds),
        rungs=engine.training.rungs,
        seed=[engine.search_seed(i) for i in seeds for _ in losses],
        until=leg.end,
        paused=[runs[k] for k in range(len(seeds)) for runs in leg.paused],
    )
    runs = [lanes[k * len(losses) : (k + 1) * len(losses)] for k in range(len(seeds))]
    outcomes = []
    for candidate, results in zip(chunk, zip(*runs, strict=True), strict=True):
        finite = [r for r in results if r.fitness is not None and r.last is not None]
        whole = len(finite) == len(results)
        stopped = min(r.steps for r in results)
        outcomes.append(
            Outcome(
                id=candidate.id,
                status=Status.EVALUATED if whole else Status.DIVERGED,
                fitness=fmean(r.fitness for r in finite if r.fitness is not None) if whole else None,
                loss=candidate.loss,
                metrics={
                    "last_step": fmean(r.last for r in finite if r.last is not None),
                    "best_step": fmean(r.best_step for r in finite),
                } if whole else {},
                rungs=tuple(map(fmean, zip(*(r.rungs for r in finite), strict=True))) if whole else (),
                steps=float(sum(r.steps - leg.start for r in results)),
                seconds=sum(r.seconds for r in results),
                message="" if whole else f"training became non-finite at step {stopped}",
                paused=tuple(r.paused for r in finite if r.paused is not None) if whole else (),
            )
        )  # fmt: skip
    return outcomes


def _average(first: Outcome, more: Outcome, runs: int, more_runs: int) -> Outcome:
    """One outcome from two groups of runs of the same loss."""
    steps, seconds = first.steps + more.steps, first.seconds + more.seconds
    if first.fitness is None or more.fitness is None:
        return replace(more, steps=steps, seconds=seconds, status=Status.DIVERGED, fitness=None)

    def mean(a: float, b: float) -> float:
        return (runs * a + more_runs * b) / (runs + more_runs)

    shared = {
        name: mean(first.metrics[name], value)
        for name, value in more.metrics.items()
        if name in first.metrics
    }
    return replace(
        first,
        fitness=mean(first.fitness, more.fitness),
        metrics={**first.metrics, **shared, "seeds": float(runs + more_runs)},
        rungs=tuple(mean(a, b) for a, b in zip(first.rungs, more.rungs, strict=True)),
        steps=steps,
        seconds=seconds,
    )
