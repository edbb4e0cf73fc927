"""Plugins under guard: what their code raises or returns amiss is told as theirs, with name, package and version."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

from automl_loss.errors import AutolossError, PluginError
from automl_loss.losses.base import Loss
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.contract import BASES
from automl_loss.plugins.discovery import PluginKind, label
from automl_loss.plugins.evaluator import Context, Evaluator, Stage
from automl_loss.plugins.executor import Failure
from automl_loss.plugins.outcome import Outcome
from automl_loss.plugins.strategy import SearchStrategy
from automl_loss.plugins.time_limit import suspended, time_limit

_MEND = "Mend or upgrade it."
_GO_ON = "Everything so far is recorded: mend or upgrade it, then go on with --resume."


@dataclass(frozen=True)
class Identity:
    """Who a plugin is, for messages.

    Args:
        kind: which kind.
        name: as the recipe writes it.
        cls: name of its class.
        origin: where it comes from: `of acme 1.0`.
        modules: where its class and those it derives from are written, the core's own left out.
    """

    kind: PluginKind
    name: str
    cls: str
    origin: str
    modules: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kind: PluginKind, name: str, origin: str, plugin: type[Any]) -> Identity:
        """The identity of a plugin's class."""
        modules = {each.__module__ for each in plugin.__mro__ if each not in BASES[kind].__mro__}
        return cls(kind, name, plugin.__name__, origin, frozenset(modules))

    def __str__(self) -> str:
        return f"{label(self.kind)} {self.cls} ({self.name!r} {self.origin})"

    def fault(self, where: str, failure: BaseException | Failure, advice: str = _MEND) -> PluginError:
        """What to raise for an exception that came out of the plugin, here or in a worker."""
        if not isinstance(failure, Failure):
            failure = Failure.of(failure)
        error = failure.error
        said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
        place = f" ({failure.place})" if failure.place else ""
        return PluginError(f"{self} failed in {where}: {said}{place}. {advice}")

    @contextmanager
    def guard(self, where: str) -> Iterator[None]:
        """Turn what the plugin raises in the block into its fault; errors of automl-loss pass.

        Raises:
            PluginError: the block raised another exception, `SystemExit` included.
        """
        try:
            yield
        except AutolossError:
            raise
        except (Exception, SystemExit) as error:
            raise self.fault(where, error) from error


@contextmanager
def blaming(suspects: Sequence[Identity], where: str) -> Iterator[None]:
    """Turn an exception into the fault of the plugin whose code it came out of; others pass.

    Args:
        suspects: plugins at work in the block.
        where: what they were doing.

    Raises:
        PluginError: an exception came through the code of a suspect; no error of automl-loss, which says enough.
    """
    try:
        yield
    except AutolossError:
        raise
    except (Exception, SystemExit) as error:
        passed = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
        guilty = [who for module in reversed(passed) for who in suspects if module in who.modules]
        if guilty:
            raise guilty[0].fault(where, error) from error
        raise


class GuardedStrategy:
    """A strategy whose faults are told as its own: the run stops and can go on once it is mended.

    Args:
        identity: who it is.
        strategy: makes it.
        limit: seconds that it may take to be made, to ask and to tell; `None`: no limit.

    Raises:
        PluginError: it cannot be made.
    """

    def __init__(
        self, identity: Identity, strategy: Callable[[], SearchStrategy], limit: float | None = None
    ) -> None:
        self.identity = identity
        self._generation = -1
        self._limit = limit
        with identity.guard("set-up"), time_limit(limit):
            self._strategy = strategy()

    def ask(self) -> list[Candidate]:
        """See `SearchStrategy.ask`.

        Raises:
            PluginError: it raised something, or returned no list of candidates.
        """
        self._generation += 1
        found: Any = self._told("ask", self._strategy.ask)
        if isinstance(found, list) and all(map(_sound, found)):
            return found
        wrong = found
        if isinstance(found, list):
            wrong = next(each for each in found if not _sound(each))
        raise PluginError(
            f"{self.identity} returned {'' if wrong is found else 'a list with '}{_short(wrong)} from ask; "
            f"expected a list of candidates, each with a Loss; empty when it is done. {_GO_ON}"
        )

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `SearchStrategy.tell`.

        Raises:
            PluginError: it raised something.
        """
        self._told("tell", lambda: self._strategy.tell(outcomes))

    def _told(self, method: str, call: Callable[[], Any]) -> Any:
        try:
            with time_limit(self._limit):
                return call()
        except (Exception, SystemExit) as error:
            # An error of automl-loss, too: a text that is no expression, say, is the strategy's mistake here.
            where = f"{method} of generation {self._generation}"
            raise self.identity.fault(where, error, _GO_ON) from error


class GuardedEvaluator:
    """An evaluator whose faults are told as its own: the run stops and can go on once it is mended.

    What the ledger, the executor or the user's callback raise while it works is not its fault, and passes.

    Args:
        identity: who it is.
        evaluator: makes it.
        limit: seconds that it may take to be made, and between one result of its stages and the next; `None`: no limit.

    Raises:
        PluginError: it cannot be made.
    """

    def __init__(
        self, identity: Identity, evaluator: Callable[[], Evaluator], limit: float | None = None
    ) -> None:
        self.identity = identity
        self._limit = limit
        with identity.guard("set-up"), time_limit(limit):
            self._evaluator = evaluator()

    def evaluate(self, candidates: Sequence[Candidate], context: Context) -> list[Outcome]:
        """See `Evaluator.evaluate`.

        Raises:
            PluginError: it raised something, or returned no list of outcomes, one for each candidate.
        """
        where = self._where(candidates[0].id, len(context.generations))
        others = _Others()

        def mapped(stage: Stage, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
            return others.iterate(context.map(stage, candidates))

        watched = replace(
            context, map=mapped, report=others.watch(context.report), say=others.watch(context.say)
        )
        try:
            with time_limit(self._limit):
                found: Any = self._evaluator.evaluate(candidates, watched)
        except AutolossError:
            raise
        except (Exception, SystemExit) as error:
            if others.raised(error):
                raise
            raise self.identity.fault(where, error, _GO_ON) from error
        return _checked(self.identity, where, found, candidates)

    @staticmethod
    def _where(first: int, generation: int) -> str:
        return "the evaluation of " + ("the task loss" if first == 0 else f"generation {generation}")

    def stages(self, first: int, generation: int) -> GuardedStages:
        """The guard of the stages of a generation.

        Args:
            first: id of its first candidate.
            generation: its number.
        """
        return GuardedStages(self.identity, self._where(first, generation))


@dataclass(frozen=True)
class GuardedStages:
    """Stages of an evaluator, wherever they run; their faults are the evaluator's.

    Args:
        identity: the evaluator.
        where: what it is doing.
    """

    identity: Identity
    where: str

    def check(self, outcomes: Any, candidates: Sequence[Candidate]) -> list[Outcome]:
        """The outcomes, when there is a sound one for each candidate, in order.

        Raises:
            PluginError: there is not.
        """
        return _checked(self.identity, f"a stage of {self.where}", outcomes, candidates)

    def fault(self, failure: Failure) -> BaseException:
        """What to raise for a chunk that failed."""
        error = failure.error
        if isinstance(error, PluginError):
            return PluginError(f"{self.identity}: {error}")
        return error if isinstance(error, AutolossError) else self.identity.fault(self.where, failure, _GO_ON)


class _Others:
    """Remembers what was raised by others than the plugin, in calls that it made."""

    def __init__(self) -> None:
        self._errors: list[BaseException] = []

    def raised(self, error: BaseException) -> bool:
        """Whether it came out of a watched call."""
        return any(error is known for known in self._errors)

    def watch(self, call: Callable[[Any], None]) -> Callable[[Any], None]:
        """The same call, watched."""

        def watched(argument: Any) -> None:
            with self._noting():
                call(argument)

        return watched

    def iterate(self, found: Iterator[Outcome]) -> Iterator[Outcome]:
        """The same outcomes; what getting them raises is watched, not what is done with them."""
        while True:
            with self._noting():
                outcome = next(found, None)
            if outcome is None:
                return
            yield outcome

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            with suspended():
                yield
        except (Exception, SystemExit) as error:
            self._errors.append(error)
            raise


def _checked(identity: Identity, where: str, outcomes: Any, candidates: Sequence[Candidate]) -> list[Outcome]:
    """The outcomes, when there is a sound one for each candidate, in order."""
    if not isinstance(outcomes, list | tuple) or not all(isinstance(each, Outcome) for each in outcomes):
        raise PluginError(
            f"{identity} returned {_short(outcomes)} from {where}; expected a list of outcomes. {_GO_ON}"
        )
    asked, got = [candidate.id for candidate in candidates], [outcome.id for outcome in outcomes]
    if asked != got:
        raise PluginError(
            f"{identity} got candidates {asked} in {where} and returned outcomes {got}; it must return one "
            f"for each, in order. {_GO_ON}"
        )
    for outcome in outcomes:
        finite = isinstance(outcome.fitness, Real) and math.isfinite(outcome.fitness)
        if not (finite if outcome.status.completed else outcome.fitness is None):
            raise PluginError(
                f"{identity} gave candidate {outcome.id} status {outcome.status.value} and fitness "
                f"{outcome.fitness} in {where}; evaluated and cached ones need a finite number, others None "
                f"(a loss whose training became non-finite is diverged). {_GO_ON}"
            )
    return list(outcomes)


def _sound(candidate: Any) -> bool:
    return isinstance(candidate, Candidate) and isinstance(candidate.loss, Loss)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
