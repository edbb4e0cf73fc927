"""Race the candidates of a generation: stop the worse half at each rung of training (successive halving).

Jamieson & Talwalkar, arXiv 1502.07943; with safeguards, since early rungs mislead: no rung before half of the steps
stops candidates; every rung must first rank a whole generation as full training does; and a candidate as good as the
best so far is never stopped. Decisions are made for the whole generation between stages, from recorded outcomes alone:
they depend on neither chunks nor workers, and are the same in a run that is resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from automl_loss.errors import PluginError
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.evaluator import Chunk, Context
from automl_loss.plugins.outcome import Outcome, Status

LEAST_CORRELATION = 0.5
"""Rank correlation with full fitness below which a rung stops no candidate."""
LEAST_CANDIDATES = 5
"""Number of fully trained candidates that a rank correlation needs; smaller first generations are joined."""


@dataclass(frozen=True)
class Leg:
    """The part of partial training that one stage trains.

    Args:
        start: number of steps trained before.
        end: the rung to pause at; at the last leg, the last step.
        paused: for each candidate of the chunk, the `Outcome.paused` of its leg before; empty at the start.
    """

    start: int
    end: int
    paused: tuple[Sequence[bytes], ...] = ()


RaceStage = Callable[[Chunk, Leg], list[Outcome]]


def race(candidates: Sequence[Candidate], context: Context, stage: RaceStage) -> list[Outcome]:
    """Train a generation leg by leg, and stop the worse half at each rung of `training.rungs` that is allowed to.

    Without rungs, and while none may stop a candidate, this is one stage over the whole of partial training.

    Args:
        candidates: the generation.
        context: the context of the evaluator.
        stage: a pure, picklable function of a chunk and a `Leg`, that trains from `leg.start` to `leg.end` by
            `engine.train(lanes, replace(engine.schedule, until=leg.end))`. From the second leg on
            candidates have the losses of their outcomes. Its outcomes have status evaluated, with `fitness` and
            `rungs` of the run so far, `steps` and `seconds` of the leg alone, and in `paused` the state that the next
            leg continues from. A candidate that diverged or was rejected takes no further part.

    Returns:
        Outcomes in the order of the candidates: of whole runs, or pruned.

    Example:
        >>> def train(engine, chunk, leg):  # doctest: +SKIP
        ...     paused = leg.paused or [(None,)] * len(chunk)
        ...     lanes = [Lane(c.loss, engine.lr, engine.search_seed(0), paused=run)
        ...              for c, (run,) in zip(chunk, paused)]
        ...     runs = engine.train(lanes, dataclasses.replace(engine.schedule, until=leg.end))
        ...     return [Outcome(c.id, Status.EVALUATED, run.fitness, c.loss, rungs=run.rungs,
        ...                     steps=run.steps - leg.start, paused=(run.paused,)) for c, run in zip(chunk, runs)]
        >>> race(candidates, context, functools.partial(train, context.engine))  # doctest: +SKIP
    """
    settings = context.engine.training
    rungs = _open_rungs(context)
    found: dict[int, Outcome] = {}
    running, start = list(candidates), 0
    for rung in [*rungs, None]:
        end = settings.steps if rung is None else rung.step
        reached = sum(step <= end for step in settings.rungs)
        for outcome in context.map(_LegStage(stage, start, end, reached, last=rung is None), running):
            found[outcome.id] = _joined(found.get(outcome.id), outcome)
        if rung is None:
            break
        paused = {c.id: found[c.id] for c in running if _at(found[c.id], reached)}
        chosen = _survivors(paused, rung, context.archive)
        left = (settings.steps - end) * settings.seeds
        found |= {i: _stopped(o, end, left) for i, o in paused.items() if i not in chosen}
        running = [_on_the_way(c, found[c.id]) for c in running if c.id in chosen]
        start = end
        if not running:
            break
    return [replace(found[candidate.id], paused=()) for candidate in candidates]


# Rungs that may stop candidates


@dataclass(frozen=True)
class _Rung:
    """A rung: its step, its index in `training.rungs`, and how well it ranked `count` candidates."""

    step: int
    place: int
    correlation: float
    count: int


def _open_rungs(context: Context) -> list[_Rung]:
    """Return the rungs that may stop candidates of this generation."""
    settings = context.engine.training
    steps = [(place, step) for place, step in enumerate(settings.rungs) if _late(step, settings.steps)]
    whole, generations = _first_whole(context)
    if not steps or len(whole) < LEAST_CANDIDATES:
        return []
    rungs = [_measured(place, step, whole) for place, step in steps]
    if generations == len(context.generations):
        # The first generation with racing.
        for rung in rungs:
            context.say(_verdict(rung))
    return [rung for rung in rungs if rung.correlation >= LEAST_CORRELATION]


def _first_whole(context: Context) -> tuple[list[Outcome], int]:
    """Return the outcomes of as many first generations as give enough whole runs, and the number of generations."""
    whole: list[Outcome] = []
    for number, generation in enumerate(context.generations, start=1):
        found = (context.archive[i] for i in generation if i in context.archive)
        whole += [outcome for outcome in found if _whole(outcome, context.engine.training.rungs)]
        if len(whole) >= LEAST_CANDIDATES:
            return whole, number
    return whole, len(context.generations)


def _late(rung: int, steps: int) -> bool:
    return steps <= 2 * rung < 2 * steps


def _whole(outcome: Outcome, rungs: Sequence[int]) -> bool:
    """Return whether an outcome is of a whole training run of its own, not cached or stopped."""
    return (
        outcome.status is Status.EVALUATED
        and outcome.fitness is not None
        and len(outcome.rungs) == len(rungs)
    )


def _measured(place: int, step: int, whole: Sequence[Outcome]) -> _Rung:
    at_rung = [outcome.rungs[place] for outcome in whole]
    in_full = [outcome.fitness for outcome in whole if outcome.fitness is not None]
    return _Rung(step, place, rank_correlation(at_rung, in_full), len(whole))


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Compute Spearman's rank correlation, ties at their mean rank; 0 where all values of a side are equal."""
    import numpy as np
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(one), rankdata(other)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    scale = float(np.sqrt(np.prod((ranks**2).sum(axis=1))))
    return float((ranks[0] * ranks[1]).sum()) / scale if scale else 0.0


def _verdict(rung: _Rung) -> str:
    measured = (
        f"its rank correlation with full fitness is {rung.correlation:.2f} over the first {rung.count} candidates "
        f"trained in full"
    )
    if rung.correlation >= LEAST_CORRELATION:
        return f"racing: from now on the worse half of each generation stops at step {rung.step}; {measured}."
    return (
        f"racing: switched off at step {rung.step}; {measured}, and at least {LEAST_CORRELATION} is needed. "
        f"Later `training.rungs` may do better."
    )


# Candidates that a rung stops


def _survivors(paused: Mapping[int, Outcome], rung: _Rung, archive: Mapping[int, Outcome]) -> set[int]:
    """Return the better half, ties in ask order, and all that are as good as the best so far was at the rung."""
    order = sorted(paused, key=lambda i: (paused[i].rungs[rung.place], i))
    chosen = set(order[: -(-len(order) // 2)])
    whole = [o for o in archive.values() if o.status is Status.EVALUATED and len(o.rungs) > rung.place]
    if whole:
        bar = min(whole, key=lambda outcome: outcome.rank_key).rungs[rung.place]
        chosen |= {i for i in order if paused[i].rungs[rung.place] <= bar}
    return chosen


def _stopped(outcome: Outcome, step: int, left: int) -> Outcome:
    """Make the outcome of a stopped candidate; its cost is its share of the steps of a full run."""
    cost = outcome.steps / (outcome.steps + left)
    message = f"stopped at step {step}: among the worse half of its generation there"
    return replace(outcome, cost=cost, message=message)


# Legs


@dataclass(frozen=True)
class _Runner(Candidate):
    """A candidate whose training is not finished."""

    paused: Sequence[bytes] = ()


def _on_the_way(candidate: Candidate, outcome: Outcome) -> _Runner:
    return _Runner(
        candidate.id,
        outcome.loss,
        candidate.generation,
        candidate.parents,
        candidate.overrides,
        None,
        outcome.paused,
    )


@dataclass(frozen=True)
class _LegStage:
    """Stage: train one leg of a chunk. Unfinished candidates have the status pruned until the last leg."""

    func: RaceStage
    start: int
    end: int
    reached: int
    last: bool

    def __call__(self, chunk: Chunk) -> list[Outcome]:
        paused = tuple(candidate.paused for candidate in chunk if isinstance(candidate, _Runner))
        outcomes = self.func(chunk, Leg(self.start, self.end, paused))
        return [self._checked(o) if o.status is Status.EVALUATED else o for o in outcomes]

    def _checked(self, outcome: Outcome) -> Outcome:
        if len(outcome.rungs) != self.reached:
            raise PluginError(
                f"the stage that is raced gave candidate {outcome.id} the fitness at {len(outcome.rungs)} rungs, and "
                f"there are {self.reached} up to step {self.end}. Train by `replace(engine.schedule, until=leg.end)`, "
                f"and give the outcome the run's `rungs`."
            )
        return outcome if self.last else replace(outcome, status=Status.PRUNED, fitness=None)


def _at(outcome: Outcome, reached: int) -> bool:
    """Return whether a candidate has reached a rung and can be trained further."""
    return outcome.status is Status.PRUNED and len(outcome.rungs) == reached


def _joined(before: Outcome | None, leg: Outcome) -> Outcome:
    """Merge a candidate's earlier outcome with that of one more leg."""
    if before is None:
        return leg
    metrics = {**before.metrics, **leg.metrics}
    return replace(leg, steps=before.steps + leg.steps, seconds=before.seconds + leg.seconds, metrics=metrics)
