"""Strategies and evaluators under guard: what they raise, return amiss or change of the process is told as theirs."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from automl_loss.errors import AutolossError, PluginError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.evaluator import Chunk, Context, Evaluator, Stage
from automl_loss.plugins.executor import Failure
from automl_loss.plugins.outcome import Outcome
from automl_loss.plugins.process_state import Kept
from automl_loss.plugins.strategy import SearchStrategy
from automl_loss.plugins.time_limit import suspended, time_limit
from automl_loss.search.candidate_check import checked_candidate, is_candidate
from automl_loss.search.identity import GO_ON, Identity, blaming, culprit, short
from automl_loss.search.numbers import Refused, integer
from automl_loss.search.outcome_check import checked_outcome

__all__ = ["GuardedEvaluator", "GuardedStages", "GuardedStrategy", "Identity", "blaming"]


class GuardedStrategy:
    """A strategy whose faults are told as its own: the run stops and can go on once it is mended.

    Args:
        identity: who it is.
        strategy: makes it.
        problem: the task's, to try losses of the plugin's own code on.
        words: the primitive set, whose functions those losses may call.
        limit: seconds that it may take to be made, to ask and to tell; `None`: no limit.

    Raises:
        PluginError: it cannot be made.
    """

    def __init__(
        self,
        identity: Identity,
        strategy: Callable[[], SearchStrategy],
        problem: Problem,
        words: Identity | None = None,
        limit: float | None = None,
    ) -> None:
        self.identity = identity
        self._problem = problem
        self._suspects = [identity] if words is None else [words, identity]
        self.recorded: Container[object] = ()
        """Ids of candidates whose outcomes are on record."""
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
        if isinstance(found, list) and all(map(is_candidate, found)):
            return [self._checked(candidate) for candidate in found]
        wrong = found
        if isinstance(found, list):
            wrong = next(each for each in found if not is_candidate(each))
        raise PluginError(
            f"{self.identity} returned {'' if wrong is found else 'a list with '}{short(wrong)} from ask; "
            f"expected a list of candidates, each with a Loss; empty when it is done. {GO_ON}"
        )

    def _checked(self, candidate: Candidate) -> Candidate:
        with self.identity.kept():
            try:
                known = candidate.id in self.recorded
                return checked_candidate(candidate, self._problem, self._limit, known=known)
            except Refused as error:
                raise PluginError(f"{self.identity} asked for {error}. {GO_ON}") from error
            except (Exception, SystemExit) as error:
                guilty = culprit(error, self._suspects) or self.identity
                where = f"the loss of candidate {short(candidate.id)}"
                raise guilty.fault(where, error, GO_ON) from error

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `SearchStrategy.tell`.

        Raises:
            PluginError: it raised something.
        """
        self._told("tell", lambda: self._strategy.tell(outcomes))

    def _told(self, method: str, call: Callable[[], Any]) -> Any:
        try:
            with time_limit(self._limit), self.identity.kept():
                return call()
        except (Exception, SystemExit) as error:
            # An error of automl-loss, too: a text that is no expression, say, is the strategy's mistake here.
            where = f"{method} of generation {self._generation}"
            raise self.identity.fault(where, error, GO_ON) from error


class GuardedEvaluator:
    """An evaluator whose faults are told as its own: the run stops and can go on once it is mended.

    What the ledger, the executor or the user's callback raise while it works is not its fault, and passes.

    Args:
        identity: who it is.
        evaluator: makes it.
        suspects: other plugins whose code runs in its stages: task, model, primitives.
        limit: seconds that it may take to be made, and between one result of its stages and the next; `None`: no limit.

    Raises:
        PluginError: it cannot be made.
    """

    def __init__(
        self,
        identity: Identity,
        evaluator: Callable[[], Evaluator],
        suspects: Sequence[Identity] = (),
        limit: float | None = None,
    ) -> None:
        self.identity = identity
        self._suspects = (*suspects, identity)
        self._limit = limit
        with identity.guard("set-up"), time_limit(limit):
            self._evaluator = evaluator()

    def evaluate(self, candidates: Sequence[Candidate], context: Context) -> list[Outcome]:
        """See `Evaluator.evaluate`.

        Raises:
            PluginError: it raised something, or returned no list of outcomes, one for each candidate.
        """
        where = self._where(candidates[0].id, len(context.generations))
        try:
            with time_limit(self._limit), self.identity.kept() as kept:
                others = _Others(kept)

                def mapped(stage: Stage, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
                    return others.iterate(context.map(_KeptStage(self.identity, stage), candidates))

                watched = replace(
                    context, map=mapped, report=others.watch(context.report), say=others.watch(context.say)
                )
                found: Any = self._evaluator.evaluate(candidates, watched)
        except AutolossError:
            raise
        except (Exception, SystemExit) as error:
            if others.raised(error):
                raise
            guilty = culprit(error, self._suspects) or self.identity
            raise guilty.fault(where, error, GO_ON) from error
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
        return GuardedStages(self.identity, self._where(first, generation), self._suspects)


@dataclass(frozen=True)
class GuardedStages:
    """Stages of an evaluator, wherever they run; their faults are the evaluator's.

    Args:
        identity: the evaluator.
        where: what it is doing.
        suspects: plugins whose code runs in a stage; what came out of none of them is the evaluator's fault.
    """

    identity: Identity
    where: str
    suspects: Sequence[Identity] = ()

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
        if isinstance(error, AutolossError):
            return error
        guilty = culprit(error, self.suspects) or self.identity
        return guilty.fault(self.where, failure, GO_ON)


@dataclass(frozen=True)
class _KeptStage:
    """A stage, wherever it runs; what it changes of the process is put back there."""

    identity: Identity
    stage: Stage

    def __call__(self, chunk: Chunk) -> list[Outcome]:
        with self.identity.kept():
            return self.stage(chunk)


class _Others:
    """Remembers what was raised by others than the plugin, in calls that it made.

    They run under the settings of the process that the plugin found.

    Args:
        kept: the stretch of the plugin's code.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
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
            with suspended(), self._kept.core():
                yield
        except (Exception, SystemExit) as error:
            self._errors.append(error)
            raise


def _checked(identity: Identity, where: str, outcomes: Any, candidates: Sequence[Candidate]) -> list[Outcome]:
    """The outcomes, when there is a sound one for each candidate, in order."""
    if not isinstance(outcomes, list | tuple) or not all(isinstance(each, Outcome) for each in outcomes):
        raise PluginError(
            f"{identity} returned {short(outcomes)} from {where}; expected a list of outcomes. {GO_ON}"
        )
    asked, got = [candidate.id for candidate in candidates], [_id(outcome) for outcome in outcomes]
    if asked != got:
        raise PluginError(
            f"{identity} got candidates {asked} in {where} and returned outcomes {short(got)}; it must return one "
            f"for each, in order. {GO_ON}"
        )
    try:
        return [
            checked_outcome(
                outcome if type(outcome.id) is int else replace(outcome, id=number), scale_free=identity.own
            )
            for outcome, number in zip(outcomes, asked, strict=True)
        ]
    except Refused as error:
        raise PluginError(f"{identity} gave {error}, in {where}. {GO_ON}") from error


def _id(outcome: Outcome) -> Any:
    try:
        return integer(outcome.id, "")
    except Refused:
        return outcome.id
