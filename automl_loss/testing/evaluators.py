"""Laws of evaluators."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from automl_loss.expression import parse
from automl_loss.losses.symbolic import SymbolicLoss
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.outcome import Outcome
from automl_loss.search.numbers import Refused
from automl_loss.search.outcome_check import checked_outcome
from automl_loss.testing.law import Subject, law
from automl_loss.testing.randomness import touched
from automl_loss.testing.small import context_of, small_engines

if TYPE_CHECKING:
    from automl_loss.plugins.training_engine import TrainingEngine

_GOOD = ("mul(mul(-1, y), log(f))", "square(sub(y, f))", "abs(sub(y, f))", "mul(mul(-1, y), sqrt(f))")
_BAD = ("mul(y, log(f))", "mul(y, 1)", "sub(f, f)")


@cache
def _engines() -> dict[str, TrainingEngine]:
    """Make engines for one task of each kind, and for several tasks at once."""
    return small_engines()


def _candidates(*texts: str) -> list[Candidate]:
    return [Candidate(number, SymbolicLoss(parse(text)), 0) for number, text in enumerate(texts, start=1)]


def _outcomes(
    subject: Subject,
    candidates: list[Candidate],
    kind: str = "classification",
    stages: list[Any] | None = None,
) -> list[Outcome]:
    context = context_of(_engines()[kind], [] if stages is None else stages)
    found: list[Outcome] = subject.cls(subject.config()).evaluate(candidates, context)
    return found


def _on_each(check: Callable[[Subject, str], str | None]) -> Callable[[Subject], str | None]:
    """Run a check on every kind of engine."""

    @wraps(check)
    def checked(subject: Subject) -> str | None:
        for kind in _engines():
            breach = check(subject, kind)
            if breach is not None:
                return breach if kind == "classification" else f"with {kind}, {breach}"
        return None

    return checked


@law(
    "one-outcome-each-in-order",
    "There is one outcome for each candidate, in the order of the candidates.",
    "Go through the candidates in their order at the end, and look each outcome up by its id.",
)
@_on_each
def order(subject: Subject, kind: str) -> str | None:
    """Evaluate candidates whose ids do not start at 1, and an empty list."""
    candidates = [replace(c, id=c.id + 40) for c in _candidates(*_GOOD)]
    found = _outcomes(subject, candidates, kind)
    if not isinstance(found, list) or not all(isinstance(o, Outcome) for o in found):
        return f"it returned {found!r:.120}"
    if [o.id for o in found] != [c.id for c in candidates]:
        return f"candidates {[c.id for c in candidates]} gave outcomes {[o.id for o in found]}"
    return None


@law(
    "a-bad-loss-is-an-outcome",
    "A loss that trains nothing, diverges or is not finite gives an outcome, and harms no neighbour.",
    "Leave such losses to the engine, whose results say `diverged`; compute on no fitness that is None.",
)
@_on_each
def bad_losses(subject: Subject, kind: str) -> str | None:
    """Evaluate bad losses among good ones."""
    broken = [
        replace(c, loss=c.loss.with_weights(tuple(math.nan for _ in c.loss.weights)))
        for c in _candidates(_GOOD[1])
    ]
    bad = [*_candidates(*_BAD), *broken, Candidate(9, SymbolicLoss(parse(_GOOD[1])).with_scale(1e30), 0)]
    candidates = [replace(c, id=number) for number, c in enumerate([*_candidates(*_GOOD), *bad], start=1)]
    found = _outcomes(subject, candidates, kind)
    if [o.id for o in found] != [c.id for c in candidates]:
        return f"candidates {[c.id for c in candidates]} gave outcomes {[o.id for o in found]}"
    return None


@law(
    "fitness-goes-with-status",
    "Completed outcomes have a finite fitness, the others none.",
    "Give `Outcome(..., fitness=None)` to what did not train in full.",
)
@_on_each
def fitness(subject: Subject, kind: str) -> str | None:
    """Evaluate good and bad losses, and compare fitness with status."""
    for outcome in _outcomes(subject, _candidates(*_GOOD, *_BAD), kind):
        good = outcome.fitness is not None and math.isfinite(outcome.fitness)
        if outcome.status.completed != good:
            return f"{outcome.loss.key} is {outcome.status.value} with fitness {outcome.fitness}"
        try:
            checked_outcome(outcome, scale_free=True)
        except Refused as error:
            return f"it gave {error}"
    return None


@law(
    "same-candidates-same-outcomes",
    "The same candidates give the same fitness and losses, bit for bit: runs are resumed and compared so.",
    "Take every seed from the engine (`search_seed`) or from `context.rng`.",
)
@_on_each
def deterministic(subject: Subject, kind: str) -> str | None:
    """Evaluate the same candidates twice."""
    first, again = (_outcomes(subject, _candidates(*_GOOD), kind) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        if (one.fitness, one.loss, one.status) != (other.fitness, other.loss, other.status):
            return f"candidate {one.id} had fitness {one.fitness} and then {other.fitness}"
    return None


@law(
    "stages-can-be-sent",
    "What is given to `context.map` can be pickled: chunks run in other processes.",
    "Give a function of the module's top level, its settings bound by `functools.partial`; no lambda, no method.",
)
def picklable(subject: Subject) -> str | None:
    """Pickle every stage."""
    stages: list[Any] = []
    _outcomes(subject, _candidates(*_GOOD), stages=stages)
    for stage in stages:
        try:
            pickle.dumps(stage)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


@law(
    "metrics-are-numbers",
    "`Outcome.metrics` maps names to numbers.",
    "Turn tensors into floats by `float(...)`.",
)
@_on_each
def metrics(subject: Subject, kind: str) -> str | None:
    """Check the metrics of every outcome."""
    for outcome in _outcomes(subject, _candidates(*_GOOD), kind):
        for name, value in outcome.metrics.items():
            if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, int | float):
                return f"{name!r} is {value!r:.80}"
    return None


@law(
    "global-randomness-untouched",
    "Evaluating leaves the global random state of Python, numpy and torch alone.",
    "Draw from `context.rng`.",
)
def randomness(subject: Subject) -> str | None:
    """Evaluate one generation, and compare the global random states."""
    _engines()
    return touched(lambda: _outcomes(subject, _candidates(*_GOOD)))


LAWS = (order, bad_losses, fitness, deterministic, picklable, metrics, randomness)
