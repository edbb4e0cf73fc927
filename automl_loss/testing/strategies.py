"""Laws of strategies."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from automl_loss.expression import PrimitiveSet, standard_primitives
from automl_loss.losses.problem import Problem
from automl_loss.losses.serialize import loss_from_json
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.plugins.strategy import SearchStrategy
from automl_loss.search.candidate_check import checked_candidate
from automl_loss.search.numbers import Refused
from automl_loss.testing.law import Subject, law
from automl_loss.testing.randomness import touched

_WORDS = ("add", "sub", "mul", "div", "min", "max", "sign", "square", "abs", "log", "sqrt", "tanh")
_GENERATIONS = 3
_MOST_ASKS = 300
PROBLEMS = (Problem.classification((4,), 3), Problem.classification((4,), 2), Problem.regression((4,)))
_STATUSES = (
    Status.EVALUATED,
    Status.REJECTED,
    Status.EVALUATED,
    Status.CACHED,
    Status.DIVERGED,
    Status.PRUNED,
)
Teller = Callable[[Sequence[Candidate]], list[Outcome]]


class _Words(PrimitiveSet):
    """Primitives of the standard vocabulary."""

    @property
    def functions(self) -> Any:
        return standard_primitives(*_WORDS)

    @property
    def terminals(self) -> Any:
        return standard_primitives("y", "f", "1", "-1")


def applicable(subject: Subject) -> list[Problem]:
    """Return the problems that the strategy applies to by its own `check`."""
    return [problem for problem in PROBLEMS if not subject.cls.check(subject.config(), problem)]


def _make(subject: Subject, problem: Problem, seed: int = 0) -> SearchStrategy:
    made: SearchStrategy = subject.cls(subject.config(), problem, _Words(), np.random.default_rng(seed))
    return made


def _fitness(candidate: Candidate) -> float:
    """Compute a fitness from the candidate alone, so that equal candidates are told the same."""
    return 0.1 + (sum(map(ord, candidate.loss.key)) % 97) / 100.0


def mixed(candidates: Sequence[Candidate]) -> list[Outcome]:
    """Make outcomes of many statuses."""
    return [outcome_of(candidate, _STATUSES[i % len(_STATUSES)]) for i, candidate in enumerate(candidates)]


def outcome_of(candidate: Candidate, status: Status) -> Outcome:
    """Make an outcome of a status."""
    if candidate.rejected is not None:
        status = Status.REJECTED
    return Outcome(
        candidate.id,
        status,
        _fitness(candidate) if status.completed else None,
        candidate.loss.with_scale(0.5),
        rungs=(0.5,) if status is Status.PRUNED else (),
        source_id=1 if status is Status.CACHED else None,
    )


def _identity(candidates: Sequence[Candidate]) -> list[str]:
    return [
        json.dumps([c.id, c.loss.to_json(), c.generation, list(c.parents), dict(c.overrides), c.rejected])
        for c in candidates
    ]


def _asks(strategy: SearchStrategy, teller: Teller, generations: int = _GENERATIONS) -> list[list[Candidate]]:
    asked: list[list[Candidate]] = []
    for _ in range(generations):
        candidates = strategy.ask()
        asked.append(list(candidates))
        if not candidates:
            break
        strategy.tell(teller(candidates))
    return asked


def _course(strategy: SearchStrategy) -> list[list[str]]:
    return [_identity(candidates) for candidates in _asks(strategy, mixed)]


@law(
    "check-speaks",
    "`check` returns a list of sentences, empty where the strategy applies; to one kind of problem it does apply.",
    "Return reasons, each with its remedy, and [] where there are none.",
)
def check_speaks(subject: Subject) -> str | None:
    """Call `check` with each kind of problem."""
    for problem in PROBLEMS:
        found = subject.cls.check(subject.config(), problem)
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            return f"check returned {found!r} for {problem.kind}"
    return None if applicable(subject) else "it applies to no kind of problem"


@law(
    "asks-candidates",
    "`ask` returns a list of candidates, whose ids, parents and overrides are numbers; the first list is not empty.",
    "Return `list[Candidate]`; `[]` says that the strategy is done, and a run would end at once.",
)
def asks(subject: Subject) -> str | None:
    """Ask once."""
    for problem in applicable(subject):
        found = _make(subject, problem).ask()
        if not isinstance(found, list) or not all(isinstance(c, Candidate) for c in found):
            return f"ask returned {found!r:.120}"
        if not found:
            return f"the first ask on a {problem.kind} problem is empty"
        for candidate in found:
            try:
                checked_candidate(candidate, problem)
            except Refused as error:
                return f"on a {problem.kind} problem it asked for {error}"
    return None


@law(
    "ids-go-on",
    "Candidate ids go on from 1 by one, over all generations.",
    "Count what was asked, and start the next generation after the last id.",
)
def ids(subject: Subject) -> str | None:
    """Over some generations."""
    for problem in applicable(subject):
        numbers = [c.id for generation in _asks(_make(subject, problem), mixed) for c in generation]
        if numbers != list(range(1, len(numbers) + 1)):
            return f"on a {problem.kind} problem ids are {numbers[:12]}"
    return None


@law(
    "same-seed-same-asks",
    "Same seed and same tells give the same asks: a run is resumed by replaying them.",
    "Draw from `self.rng` alone, and iterate over nothing whose order varies, such as a set.",
)
def replay(subject: Subject) -> str | None:
    """Run two instances, and a third that is told outcomes written to JSON and read back."""
    for problem in applicable(subject):
        first, again = _course(_make(subject, problem)), _course(_make(subject, problem))
        if first != again:
            return _difference(first, again, problem)

        def stored(candidates: Sequence[Candidate]) -> list[Outcome]:
            from automl_loss.record.encoding import outcome_from_json, outcome_to_json

            return [
                outcome_from_json(json.loads(json.dumps(outcome_to_json(o))), _Words())
                for o in mixed(candidates)
            ]

        replayed = [_identity(c) for c in _asks(_make(subject, problem), stored)]
        if first != replayed:
            return "told outcomes that were stored and read again, " + _difference(first, replayed, problem)
    return None


def _difference(first: list[list[str]], again: list[list[str]], problem: Problem) -> str:
    for generation, (one, other) in enumerate(zip(first, again, strict=False)):
        for a, b in zip(one, other, strict=False):
            if a != b:
                return f"on a {problem.kind} problem, generation {generation}: {a:.90} and then {b:.90}"
    return f"on a {problem.kind} problem it asked {sum(map(len, first))} and then {sum(map(len, again))} candidates"


@law(
    "no-duplicates",
    "A generation holds no candidate twice: same loss, same settings.",
    "Keep what was asked, and draw again; `canonical_key` says when two expressions are the same.",
)
def no_duplicates(subject: Subject) -> str | None:
    """Compare the candidates within each generation."""
    for problem in applicable(subject):
        for number, generation in enumerate(_asks(_make(subject, problem), mixed)):
            keys = [(c.loss.key, *sorted(c.overrides.items())) for c in generation]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                return f"generation {number} on a {problem.kind} problem asks {twice[0]:.80} {keys.count(twice)} times"
    return None


@law(
    "takes-every-status",
    "`tell` accepts outcomes of every status, a whole generation without any fitness included.",
    "Ask an outcome for `status.completed` before its fitness; `rank_key` orders all of them.",
)
def every_status(subject: Subject) -> str | None:
    """Tell a generation of each status, and ask again."""
    for problem in applicable(subject):
        for status in Status:
            strategy = _make(subject, problem)
            try:
                strategy.tell([outcome_of(c, status) for c in strategy.ask()])
                strategy.ask()
            except Exception as error:
                return f"after a generation that was {status.value}: {type(error).__name__}: {error}"
    return None


@law(
    "done-stays-done",
    "Once `ask` has returned [], it returns [] again.",
    "Remember that the strategy is done.",
)
def done(subject: Subject) -> str | None:
    """Ask up to a limit, and ask again after the first []."""
    strategy = _make(subject, applicable(subject)[0])
    total = 0
    while total < _MOST_ASKS:
        candidates = strategy.ask()
        if not candidates:
            again = strategy.ask()
            return f"after [] it asked for {len(again)} candidates" if again else None
        total += len(candidates)
        strategy.tell(mixed(candidates))
    return None


@law(
    "global-randomness-untouched",
    "Asking and telling leave the global random state of Python, numpy and torch alone.",
    "Draw from `self.rng`; where a library insists on a global generator, save its state and put it back.",
)
def randomness(subject: Subject) -> str | None:
    """Over some generations."""
    problem = applicable(subject)[0]
    return touched(lambda: _course(_make(subject, problem)))


@law(
    "instances-share-nothing",
    "Two instances share no state: what one is told, the other does not know.",
    "Keep state in `self`, made in `__init__`, and none in the class or the module.",
)
def share_nothing(subject: Subject) -> str | None:
    """Compare two instances that take turns with each alone."""
    for problem in applicable(subject):
        alone = _course(_make(subject, problem))
        one, two = _make(subject, problem), _make(subject, problem, seed=1)
        together = []
        for _ in range(len(alone)):
            mine, theirs = one.ask(), two.ask()
            together.append(_identity(mine))
            if theirs:
                two.tell(mixed(theirs))
            if mine:
                one.tell(mixed(mine))
        if together != alone:
            return "beside another instance, " + _difference(alone, together, problem)
    return None


@law(
    "losses-are-plain",
    "A proposed loss gives a value for each output, and its JSON gives it back.",
    "Use `SymbolicLoss`, `HandcraftedLoss` or `NeuralLoss`, or write a `Loss` after their example.",
)
def losses(subject: Subject) -> str | None:
    """Compute values on a small batch; values that are not finite are left to the filters."""
    import torch

    for problem in applicable(subject):
        for candidate in _make(subject, problem).ask()[:10]:
            loss = candidate.loss
            raw = torch.linspace(-1, 1, 5 * problem.output_dim).reshape(5, problem.output_dim)
            classes = torch.arange(5) % max(1, problem.classes)
            target = {"multiclass": classes, "binary": classes, "regression": raw.flip(0)}[problem.kind]
            if loss.space == "prediction":
                from automl_loss.losses.inputs import prepare

                value = loss.value(*prepare(raw, target, problem.kind, problem.output_dim))
            else:
                value = loss.value(raw, target)
            if len(value) != 5:
                return f"{loss.key:.80} gives values of shape {tuple(value.shape)} for 5 rows"
            if loss_from_json(json.loads(json.dumps(loss.to_json())), _Words()) != loss:
                return f"{loss.key:.80} came back from JSON as another loss"
    return None


LAWS = (
    check_speaks, asks, ids, replay, no_duplicates, every_status, done, randomness, share_nothing, losses,
)  # fmt: skip
