from __future__ import annotations

import numpy as np
import pytest

from autoloss_baselines.handcrafted import Handcrafted
from autoloss_baselines.parametric import Parametric
from automl_loss import Candidate, Outcome, PrimitiveSet, Problem, Status

PROBLEMS = [Problem.classification((4,), 3), Problem.classification((4,), 2), Problem.regression((4,))]


class NoWords(PrimitiveSet):
    """Families need none."""

    functions = ()
    terminals = ()


def searched(problem: Problem, seed: int = 0, **options: object) -> tuple[Parametric, list[list[Candidate]]]:
    method = Parametric(Parametric.Config(**options), problem, NoWords(), np.random.default_rng(seed))
    asked = []
    while candidates := method.ask():
        asked.append(candidates)
        method.tell([Outcome(c.id, Status.EVALUATED, len(c.loss.key) / 10, c.loss) for c in candidates])
    return method, asked


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.kind)
def test_losses_differ_ids_go_on_and_the_same_seed_asks_the_same(problem: Problem) -> None:
    _, asked = searched(problem, population=5, generations=4)
    everyone = [candidate for generation in asked for candidate in generation]
    assert [c.id for c in everyone] == list(range(1, 21))
    keys = [(c.loss.key, *c.overrides.items()) for c in everyone]
    assert len(set(keys)) == 20
    assert all(c.loss.name != problem.task_loss for c in everyone)  # type: ignore[attr-defined]
    again = searched(problem, population=5, generations=4)[1]
    assert [[c.loss.key for c in g] for g in again] == [[c.loss.key for c in g] for g in asked]


def test_the_sampler_learns_which_family_is_good() -> None:
    problem = PROBLEMS[0]
    method = Parametric(
        Parametric.Config(population=5, generations=16), problem, NoWords(), np.random.default_rng(0)
    )
    names: list[list[str]] = []
    while candidates := method.ask():
        names.append([c.loss.name for c in candidates])  # type: ignore[attr-defined]
        method.tell([
            Outcome(c.id, Status.EVALUATED, 0.1 if name == "gce" else 1.0, c.loss)
            for c, name in zip(candidates, names[-1], strict=True)
        ])  # fmt: skip
    late = [name for generation in names[-6:] for name in generation]
    assert late.count("gce") > len(late) / 2


@pytest.mark.parametrize("status", list(Status))
def test_outcomes_of_every_status_are_taken(status: Status) -> None:
    method = Parametric(Parametric.Config(population=3), PROBLEMS[0], NoWords(), np.random.default_rng(0))
    fitness = 0.5 if status.completed else None
    method.tell([Outcome(c.id, status, fitness, c.loss) for c in method.ask()])
    assert method.ask()


def test_rates_are_searched_as_multiples_when_asked_for() -> None:
    _, asked = searched(PROBLEMS[0], population=6, generations=1, tune_lr=True)
    factors = {candidate.overrides["lr_factor"] for candidate in asked[0]}
    assert len(factors) == 6
    assert all(candidate.lr(0.5) == 0.5 * candidate.overrides["lr_factor"] for candidate in asked[0])


def test_handcrafted_tries_each_loss_at_each_rate_the_usual_one_first() -> None:
    def ask(**options: object) -> list[Candidate]:
        return Handcrafted(
            Handcrafted.Config(**options), PROBLEMS[0], NoWords(), np.random.default_rng(0)
        ).ask()

    plain, tuned = ask(), ask(tune_lr=True, lr_factors=[0.5, 1.0, 4.0])
    assert len(tuned) == 3 * len(plain)
    assert [c.loss for c in tuned[: len(plain)]] == [c.loss for c in plain]
    assert {c.lr(0.1) for c in tuned} == {0.05, 0.1, 0.4}
