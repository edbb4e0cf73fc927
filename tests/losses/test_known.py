"""Known losses in the loss language against torch's own functions and the published formulas."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from automl_loss.expression import parse, standard_primitives
from automl_loss.losses import Problem, SymbolicLoss, known_losses, task_loss

MULTICLASS = Problem.classification((2,), 2 + 1)
BINARY = Problem.classification((2,), 2)
REGRESSION = Problem.regression((2,))

LOG_ZERO = -math.log(1e-7)


def true_class(f: Tensor, y: Tensor) -> Tensor:
    """Probability of the target's class, `(batch,)`."""
    if f.shape[1] == 1:
        return torch.where(y == 1, f, 1 - f)[:, 0]
    return f.gather(1, y.argmax(1, keepdim=True))[:, 0]


def miss(f: Tensor, y: Tensor) -> Tensor:
    """Probability of all other classes."""
    return 1 - true_class(f, y)


def cross_entropy(f: Tensor, y: Tensor) -> Tensor:
    if f.shape[1] == 1:
        return functional.binary_cross_entropy(f, y, reduction="none")[:, 0]
    return functional.nll_loss(f.log(), y.argmax(1), reduction="none")


# Each of (f, y), summed over outputs.
CLASSIFICATION: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": cross_entropy,
    "mse": lambda f, y: functional.mse_loss(f, y, reduction="none").sum(1),
    "mae": lambda f, y: functional.l1_loss(f, y, reduction="none").sum(1),
    "gce": lambda f, y: (1 - true_class(f, y) ** 0.5) / 0.5,
    "focal": lambda f, y: miss(f, y) ** 2 * cross_entropy(f, y),
    "symmetric_ce": lambda f, y: cross_entropy(f, y) + LOG_ZERO * miss(f, y),
}
RESIDUAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda f, y: functional.mse_loss(f, y, reduction="none").sum(1),
    "mae": lambda f, y: functional.l1_loss(f, y, reduction="none").sum(1),
    "student_t": lambda f, y: (f - y).square().log1p().sum(1),
    "pseudo_huber": lambda f, y: (torch.hypot(f - y, torch.ones_like(f)) - 1).sum(1),
}

CASES = [
    *((MULTICLASS, name, function) for name, function in CLASSIFICATION.items()),
    *((BINARY, name, function) for name, function in CLASSIFICATION.items()),
    *((REGRESSION, name, function) for name, function in RESIDUAL.items()),
]


def batch(problem: Problem) -> tuple[Tensor, Tensor]:
    """f and y; all probabilities are in [0.001, 0.999]."""
    highest = 0.998 if problem.kind == "multiclass" else 0.999
    line = torch.linspace(0.001, highest, 400, dtype=torch.float64).unsqueeze(1)
    if problem.kind == "binary":
        return line.repeat(2, 1), (torch.arange(800) < 400).double().unsqueeze(1)
    if problem.kind == "regression":
        return 20 * line - 10, torch.zeros_like(line) + 0.3
    # The first class takes p, the others share the rest evenly; each class in turn is the target's.
    shared = (1 - line) / 2
    f = torch.cat([line, shared, shared], 1).repeat(3, 1)
    return f, functional.one_hot(torch.arange(3).repeat_interleave(400), 3).double()


@pytest.mark.parametrize(
    ("problem", "name", "reference"), CASES, ids=[f"{problem.kind}-{name}" for problem, name, _ in CASES]
)
def test_a_known_loss_has_its_published_value(
    problem: Problem, name: str, reference: Callable[[Tensor, Tensor], Tensor]
) -> None:
    f, y = batch(problem)
    value = SymbolicLoss(parse(known_losses(problem)[name])).value(f, y).sum(1)
    # log(p + 1e-7) - log p is at most 1e-7 / p.
    slack = 0.0 if problem.kind == "regression" else 1e-7 / true_class(f, y)
    assert ((value - reference(f, y)).abs() <= 1e-5 + slack).all()


@pytest.mark.parametrize("problem", [MULTICLASS, BINARY, REGRESSION], ids=lambda problem: problem.kind)
def test_the_task_loss_comes_first_and_every_loss_is_covered(problem: Problem) -> None:
    names = list(known_losses(problem))
    assert names[0] == task_loss(problem).name.removeprefix("binary_")
    assert names == [name for owner, name, _ in CASES if owner is problem]


@pytest.mark.parametrize("problem", [MULTICLASS, BINARY, REGRESSION], ids=lambda problem: problem.kind)
def test_known_losses_are_written_in_the_words_of_evomal(problem: Problem) -> None:
    words = standard_primitives(
        *("add", "sub", "mul", "div", "min", "max", "sign", "square", "abs", "log", "sqrt", "tanh"),
        *("y", "f", "1", "-1"),
    )
    for text in known_losses(problem).values():
        assert str(parse(text, words)) == text


def test_losses_that_know_the_prior_are_named_where_it_can_be_said_and_have_their_value() -> None:
    prior = torch.tensor([0.7, 0.25, 0.05], dtype=torch.float64)
    texts = known_losses(MULTICLASS, prior=True)
    assert list(texts)[len(known_losses(MULTICLASS)) :] == ["class_weighted_ce", "prior_margin"]
    assert known_losses(BINARY, prior=True) == known_losses(BINARY)
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(50, 3, dtype=torch.float64, generator=generator)
    target = torch.arange(50) % 3
    f, y = raw.softmax(1), functional.one_hot(target, 3).double()

    def value(name: str) -> Tensor:
        return SymbolicLoss(parse(texts[name]), prior=tuple(prior.tolist())).value(f, y).sum(1)

    weighted = functional.cross_entropy(raw, target, weight=1 / prior, reduction="none")
    torch.testing.assert_close(value("class_weighted_ce"), weighted, rtol=1e-5, atol=1e-5)
    moved = raw + functional.one_hot(target, 3) * prior.log()
    margin = functional.cross_entropy(moved, target, reduction="none") + prior[target].log()
    torch.testing.assert_close(value("prior_margin"), margin, rtol=0, atol=1e-5)


def test_the_returned_losses_may_be_changed() -> None:
    known_losses(BINARY).clear()
    assert known_losses(BINARY)
