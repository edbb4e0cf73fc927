"""Who is at fault when something is raised while a plugin is at work."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pytest

from automl_loss import (
    Candidate,
    Context,
    EvaluationError,
    Evaluator,
    Failure,
    Outcome,
    PluginError,
    Problem,
    Status,
    task_loss,
)
from automl_loss.search.plugin_guard import GuardedEvaluator, GuardedStages, Identity, blaming

WHO = Identity("evaluator", "mine", "Mine", "of acme 1.0", frozenset({__name__}))
OTHER = Identity("task", "rows", "Rows", "of acme 1.0", frozenset({"acme"}))
PROBLEM = Problem.classification((2,), 3)
CANDIDATES = [Candidate(i, task_loss(PROBLEM), 0) for i in (1, 2)]


def stage(chunk: Sequence[Candidate]) -> list[Outcome]:
    return [Outcome(c.id, Status.EVALUATED, 0.5, c.loss) for c in chunk]


def faulty_stage(chunk: Sequence[Candidate]) -> list[Outcome]:
    raise KeyError("odd")


class Through(Evaluator):
    """Does all that a context offers; its only option is the stage."""

    def evaluate(self, candidates: Sequence[Candidate], context: Context) -> list[Outcome]:
        context.say("hello")
        outcomes = list(context.map(self.config, candidates))
        context.report(outcomes)
        return outcomes


def evaluate(
    *,
    own_stage: Any = stage,
    say: Callable[[str], None] = lambda text: None,
    report: Callable[[Sequence[Outcome]], None] = lambda outcomes: None,
    ledger: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Evaluate two candidates in a context whose parts may fail."""

    def mapped(stage: Any, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
        guard = GuardedStages(WHO, "the evaluation of generation 0")
        try:
            outcomes = stage(tuple(candidates))
        except Exception as error:
            raise guard.fault(pickle.loads(pickle.dumps(Failure.of(error)))) from None
        yield from guard.check(outcomes, candidates)
        ledger()

    context = Context(
        PROBLEM, cast(Any, None), MappingProxyType({}), np.random.default_rng(), mapped, report, say=say
    )
    return GuardedEvaluator(WHO, lambda: Through(own_stage)).evaluate(CANDIDATES, context)


def fails(*arguments: object) -> None:
    raise KeyError("not the plugin's")


def test_a_sound_evaluator_is_unchanged_under_guard() -> None:
    assert evaluate() == stage(CANDIDATES)


@pytest.mark.parametrize("part", ["say", "report", "ledger"])
def test_what_the_core_or_the_users_callback_raises_is_no_fault_of_the_evaluator(part: str) -> None:
    options: dict[str, Any] = {part: fails}
    with pytest.raises(KeyError, match="not the plugin's"):
        evaluate(**options)


def test_what_a_stage_raises_is_the_evaluators_fault_wherever_the_stage_runs() -> None:
    with pytest.raises(PluginError) as caught:
        evaluate(own_stage=faulty_stage)
    assert str(caught.value).startswith(
        "evaluator Mine ('mine' of acme 1.0) failed in the evaluation of generation 0: KeyError: 'odd' ("
    )
    assert f"{__file__}:" in str(caught.value)


def test_the_plugin_whose_code_an_exception_came_out_of_is_to_blame() -> None:
    with (
        pytest.raises(PluginError, match=r"^evaluator Mine .* failed in set-up: KeyError"),
        blaming([OTHER, WHO], "set-up"),
    ):
        fails()
    with pytest.raises(KeyError), blaming([OTHER], "set-up"):
        fails()


def test_an_error_of_automl_loss_says_enough_and_passes() -> None:
    with pytest.raises(EvaluationError, match="own words"), WHO.guard("set-up"):
        raise EvaluationError("own words")


def test_an_identity_knows_where_a_class_is_written_without_the_core() -> None:
    assert Identity.of("evaluator", "through", "of acme 1.0", Through).modules == {__name__}
    assert str(WHO) == "evaluator Mine ('mine' of acme 1.0)"
