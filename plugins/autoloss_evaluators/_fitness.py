"""Compute fitness by partial training, raced at the recipe's rungs, on more seeds for a generation's best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

from automl_loss import (
    Candidate,
    Context,
    Lane,
    Leg,
    Loss,
    Outcome,
    Status,
    Trained,
    TrainingEngine,
    Tuned,
    race,
)


def evaluate(candidates: Sequence[Candidate], context: Context, *, tune: bool) -> list[Outcome]:
    """Tune (or not) and train every candidate; then train the top fifth on more seeds, and average."""
    settings = context.engine.training
    first = race(candidates, context, partial(_tune_and_train, context.engine, tune))
    completed = sorted((outcome for outcome in first if outcome.status.completed), key=lambda o: o.rank_key)
    if not settings.top_seeds or not completed:
        return first
    top = {outcome.id: outcome for outcome in completed[: settings.top(len(first))]}
    # Each further run is an item of its own, so that the runs of one candidate can be divided among workers.
    again = [
        _Again(c.id, top[c.id].loss, c.generation, c.parents, c.overrides, None, seed)
        for seed in range(settings.seeds, settings.seeds + settings.top_seeds)
        for c in candidates
        if c.id in top
    ]
    more: dict[int, list[Outcome]] = {}
    for outcome in context.map(partial(_train_again, context.engine), again):
        more.setdefault(outcome.id, []).append(outcome)
    return [
        _average(outcome, more[outcome.id], settings.seeds) if outcome.id in more else outcome
        for outcome in first
    ]


@dataclass(frozen=True)
class _Again(Candidate):
    """A candidate whose loss is final, to be trained on a further seed."""

    seed: int = 0


def _tune_and_train(
    engine: TrainingEngine, tune: bool, chunk: tuple[Candidate, ...], leg: Leg
) -> list[Outcome]:
    """Stage: tune, scale and train the candidates of a chunk on the search's common seeds.

    After the first leg their losses are final.
    """
    seeds = range(engine.training.seeds)
    if leg.start:
        return _train(engine, chunk, seeds, leg)
    losses = engine.match_scale([candidate.loss for candidate in chunk])
    if not tune:
        return _train(engine, _with_losses(chunk, losses), seeds, leg)
    tuned = _tuned(engine, chunk, losses)
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


def _tuned(engine: TrainingEngine, chunk: Sequence[Candidate], losses: Sequence[Loss]) -> list[Tuned]:
    """Tune each loss for the candidate's own number of steps, or else the recipe's."""
    asked = [int(steps) if (steps := c.overrides.get("tuning_steps")) else None for c in chunk]
    results: dict[int, Tuned] = {}
    for steps in dict.fromkeys(asked):
        places = [i for i, own in enumerate(asked) if own == steps]
        results |= dict(zip(places, engine.tune([losses[i] for i in places], steps=steps), strict=True))
    return [results[i] for i in range(len(chunk))]


def _with_losses(chunk: Sequence[Candidate], losses: Sequence[Loss]) -> list[Candidate]:
    return [replace(candidate, loss=loss) for candidate, loss in zip(chunk, losses, strict=True)]


def _refused(candidate: Candidate) -> Outcome:
    """Make the outcome of a loss that is rejected after tuning; it costs 1, as it was tuned."""
    message = "after tuning, optimising free outputs under it does not improve the metric"
    return Outcome(candidate.id, Status.REJECTED, None, candidate.loss, message=message, cost=1.0)


def _train_again(engine: TrainingEngine, chunk: tuple[Candidate, ...]) -> list[Outcome]:
    """Stage: train candidates whose losses are final, one more run each."""
    lanes = [
        Lane(again.loss, again.lr(engine.lr), engine.search_seed(again.seed))
        for again in chunk
        if isinstance(again, _Again)
    ]
    results = engine.train(lanes)
    return [_outcome(candidate, [result], 0) for candidate, result in zip(chunk, results, strict=True)]


def _train(
    engine: TrainingEngine, chunk: Sequence[Candidate], seeds: Sequence[int], leg: Leg
) -> list[Outcome]:
    if not chunk:
        return []
    # All runs of a chunk are one batch: a few networks cost little more than one.
    lanes = [
        Lane(
            candidate.loss,
            candidate.lr(engine.lr),
            engine.search_seed(seed),
            paused=leg.paused[place][k] if leg.paused else None,
        )
        for k, seed in enumerate(seeds)
        for place, candidate in enumerate(chunk)
    ]
    results = engine.train(lanes, replace(engine.schedule, until=leg.end))
    return [
        _outcome(candidate, results[place :: len(chunk)], leg.start) for place, candidate in enumerate(chunk)
    ]


def _outcome(candidate: Candidate, results: Sequence[Trained], start: int) -> Outcome:
    """Make an outcome from the mean over a candidate's runs; it is diverged when one of them is."""
    finite = [r for r in results if r.fitness is not None and r.last is not None]
    steps, seconds = float(sum(r.steps - start for r in results)), sum(r.seconds for r in results)
    if len(finite) < len(results):
        message = f"training became non-finite at step {min(r.steps for r in results)}"
        return Outcome(candidate.id, Status.DIVERGED, None, candidate.loss,
                       steps=steps, seconds=seconds, message=message)  # fmt: skip
    return Outcome(
        id=candidate.id,
        status=Status.EVALUATED,
        fitness=fmean(r.fitness for r in finite if r.fitness is not None),
        loss=candidate.loss,
        metrics={
            "last_step": fmean(r.last for r in finite if r.last is not None),
            "best_step": fmean(r.best_step for r in finite),
        },
        rungs=tuple(map(fmean, zip(*(r.rungs for r in finite), strict=True))),
        steps=steps,
        seconds=seconds,
        paused=tuple(r.paused for r in finite if r.paused is not None),
    )


def _average(first: Outcome, more: Sequence[Outcome], runs: int) -> Outcome:
    """Average an outcome of `runs` runs with outcomes of one run each, of the same loss."""
    steps = first.steps + sum(outcome.steps for outcome in more)
    seconds = first.seconds + sum(outcome.seconds for outcome in more)
    diverged = next((outcome for outcome in more if outcome.fitness is None), None)
    if diverged is not None:
        return replace(diverged, steps=steps, seconds=seconds)

    def mean(value: float, others: Sequence[float]) -> float:
        return (runs * value + sum(others)) / (runs + len(others))

    shared = {
        name: mean(value, [outcome.metrics[name] for outcome in more])
        for name, value in first.metrics.items()
        if name in more[0].metrics
    }
    return replace(
        first,
        fitness=mean(first.fitness or 0.0, [outcome.fitness or 0.0 for outcome in more]),
        metrics={**first.metrics, **shared, "seeds": float(runs + len(more))},
        rungs=tuple(
            mean(value, [outcome.rungs[place] for outcome in more]) for place, value in enumerate(first.rungs)
        ),
        steps=steps,
        seconds=seconds,
    )
