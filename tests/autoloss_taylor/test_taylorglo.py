from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autoloss_taylor.polynomial import published_bound, pull
from autoloss_taylor.taylorglo import TaylorGLO
from automl_loss import Candidate, Outcome, PrimitiveSet, Problem, Status, SymbolicLoss, taylor_expression
from automl_loss.engine.population import Population

PROBLEMS = {
    "multiclass": Problem.classification((4,), 5),
    "binary": Problem.classification((4,), 2),
    "regression": Problem.regression((4,)),
}


class NoWords(PrimitiveSet):
    """A polynomial needs none."""

    functions = ()
    terminals = ()


def strategy(problem: Problem, seed: int = 0, **options: object) -> TaylorGLO:
    return TaylorGLO(TaylorGLO.Config(**options), problem, NoWords(), np.random.default_rng(seed))


def raw_gradient(parameters: np.ndarray, degree: int, problem: Problem) -> torch.Tensor:
    raw = torch.randn(
        1, 40, problem.output_dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    target = (
        torch.arange(40) % problem.classes
        if problem.is_classification
        else torch.randn(40, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    )
    loss = SymbolicLoss(taylor_expression(parameters.tolist(), degree), weighted=False)
    return Population([loss], problem, torch.device("cpu"), torch.float64).gradient(raw, target)


@pytest.mark.parametrize("degree", [2, 3, 4])
@pytest.mark.parametrize("kind", list(PROBLEMS))
def test_every_parameter_changes_the_gradient_but_what_is_constant_over_classes(
    kind: str, degree: int
) -> None:
    problem = PROBLEMS[kind]
    base = np.random.default_rng(3).normal(size={2: 5, 3: 8, 4: 12}[degree])
    first = raw_gradient(base, degree, problem)
    for place in range(len(base)):
        moved = base.copy()
        moved[place] += 0.5
        change = float((raw_gradient(moved, degree, problem) - first).norm() / first.norm())
        if kind == "multiclass" and place in ((0, 1, 2) if degree == 2 else (2,)):
            assert change < 1e-12  # of degree 2, the centre moves dL/df by a constant, too
        else:
            assert change > 1e-3, place


def test_the_invariant_is_the_published_one_in_its_coefficients() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        t0, t1, t2, t3, t4, t5, t6, t7 = t = rng.normal(size=8)
        c1 = t2 - t1 * t3 + t0 * t1 * t6 - t0 * t5 + t0**2 * t7 / 2 + t1**2 * t4 / 2
        ch, chh, chy = t3 - t0 * t6 - t1 * t4, t4 / 2, t6
        cy, cyy = t5 - t1 * t6 - t0 * t7, t7 / 2
        n = int(rng.integers(3, 12))
        assert pull(t, 3, n) == pytest.approx(cy + cyy + chy / n)
        assert published_bound(t, 3, n) == pytest.approx((n - 2) * (c1 + ch / n + chh / n**2))


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_a_loss_passes_exactly_when_a_step_from_the_uniform_prediction_raises_the_true_class(
    degree: int,
) -> None:
    problem = PROBLEMS["multiclass"]
    passed = 0
    for candidate in strategy(problem, degree=degree, population=40).ask():
        raw = torch.zeros(1, 5, 5, dtype=torch.float64)
        slopes = Population([candidate.loss], problem, torch.device("cpu"), torch.float64).gradient(
            raw, torch.arange(5)
        )[0]
        right = bool((-slopes.diagonal() > 0).all())
        assert right == (candidate.rejected is None)
        passed += right
    assert 5 < passed < 35


def told(candidates: list[Candidate], fitness: object) -> list[Outcome]:
    return [
        Outcome(c.id, Status.REJECTED, None, c.loss)
        if c.rejected
        else Outcome(c.id, Status.EVALUATED, fitness(c), c.loss)  # type: ignore[operator]
        for c in candidates
    ]


def test_same_seed_and_tells_give_the_same_asks_and_generations_end() -> None:
    runs = []
    for _ in range(2):
        method = strategy(PROBLEMS["multiclass"], population=6, generations=3)
        asked = []
        while candidates := method.ask():
            asked += [(c.id, c.loss.key, c.rejected) for c in candidates]
            method.tell(told(candidates, lambda c: c.loss.complexity))
        runs.append(asked)
    assert runs[0] == runs[1]
    assert [number for number, _, _ in runs[0]] == list(range(1, 19))
    other = strategy(PROBLEMS["multiclass"], seed=1, population=6).ask()
    assert other[0].loss.key != runs[0][0][1]


def test_it_moves_towards_what_is_told_to_be_good() -> None:
    method = strategy(PROBLEMS["regression"], degree=2, population=12, generations=60)
    goal = np.array([0.5, -0.5, 1.0, -1.0, 0.3])
    distances = []
    while candidates := method.ask():
        errors = [float(np.linalg.norm(x - goal)) for x in method._asked]
        distances.append(min(errors))
        method.tell([
            Outcome(c.id, Status.EVALUATED, e, c.loss) for c, e in zip(candidates, errors, strict=True)
        ])  # fmt: skip
    assert distances[-1] < 0.01 * distances[0]


@pytest.mark.parametrize("status", list(Status))
def test_outcomes_of_every_status_are_taken(status: Status) -> None:
    method = strategy(PROBLEMS["regression"], population=4)
    fitness = 1.0 if status.completed else None
    method.tell([Outcome(c.id, status, fitness, c.loss) for c in method.ask()])
    assert len(method.ask()) == 4


def test_regression_knows_no_invariant() -> None:
    assert all(c.rejected is None for c in strategy(PROBLEMS["regression"], invariant="published").ask())
    assert any(c.rejected for c in strategy(PROBLEMS["multiclass"], invariant="published").ask())
    assert all(c.rejected is None for c in strategy(PROBLEMS["multiclass"], invariant="none").ask())
    assert replace(PROBLEMS["binary"]).classes == 2
