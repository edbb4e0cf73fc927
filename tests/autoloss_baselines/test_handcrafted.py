from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from autoloss_baselines.handcrafted import Handcrafted
from automl_loss import Candidate, Outcome, PrimitiveSet, Problem, Status, standard_primitives

MULTICLASS = Problem("multiclass", (4,), 3, "cross_entropy", "error", (0.6, 0.3, 0.1))
BINARY = Problem("binary", (4,), 1, "binary_cross_entropy", "error", (0.8, 0.2))
REGRESSION = Problem.regression((4,), 2)


class Words(PrimitiveSet):
    """Handcrafted losses need no words."""

    functions = ()
    terminals = standard_primitives("y", "f")


def ask(problem: Problem, **options: object) -> list[Candidate]:
    config = Handcrafted.Config(**options)
    assert Handcrafted.check(config, problem) == []
    return Handcrafted(config, problem, Words(), np.random.default_rng(0)).ask()


@pytest.mark.parametrize("problem", [MULTICLASS, BINARY, REGRESSION])
def test_every_loss_is_asked_once_and_the_task_loss_never(problem: Problem) -> None:
    candidates = ask(problem)
    assert [candidate.id for candidate in candidates] == list(range(1, len(candidates) + 1))
    keys = {candidate.loss.key for candidate in candidates}
    assert len(keys) == len(candidates) >= 4
    raw = torch.randn(6, problem.output_dim, generator=torch.Generator().manual_seed(0)) * 2
    target = {
        "multiclass": torch.tensor([0, 1, 2, 0, 1, 2]),
        "binary": torch.tensor([0, 1, 0, 1, 0, 1]),
        "regression": torch.ones(6, 2),
    }[problem.kind]
    usual = {
        "multiclass": lambda: functional.cross_entropy(raw, target, reduction="none"),
        "binary": lambda: functional.binary_cross_entropy_with_logits(
            raw[:, 0], target * 1.0, reduction="none"
        ),
        "regression": lambda: functional.mse_loss(raw, target, reduction="none"),
    }[problem.kind]()
    for candidate in candidates:
        value = candidate.loss.value(raw, target)
        assert torch.isfinite(value).all()
        assert value.shape == usual.shape
        assert not torch.allclose(value, usual)


def test_the_strategy_is_done_after_one_generation() -> None:
    strategy = Handcrafted(Handcrafted.Config(), MULTICLASS, Words(), np.random.default_rng(0))
    candidates = strategy.ask()
    strategy.tell(
        [Outcome(c.id, status, None, c.loss) for c, status in zip(candidates, [*Status] * 9, strict=False)]
    )
    assert strategy.ask() == []


def test_all_instances_ask_the_same() -> None:
    assert ask(MULTICLASS) == ask(MULTICLASS)


def test_what_searches_of_others_found_is_tried_by_name_alone() -> None:
    names = ["baikal", "ngl", "absolute_ce"]
    assert not {c.loss.name for c in ask(MULTICLASS)} & set(names)
    assert [c.loss.name for c in ask(MULTICLASS, losses=names)] == names
    assert "ngl(alpha=2.4092)" in Handcrafted.check(Handcrafted.Config(losses=["nlg"]), MULTICLASS)[0]
    assert Handcrafted.check(Handcrafted.Config(losses=names), REGRESSION)


def test_a_name_chooses_all_settings_of_a_family_and_a_key_chooses_one() -> None:
    keys = [
        c.loss.key for c in ask(MULTICLASS, losses=["mae", "gce(q=0.7)", "label_smoothing", "mae", "gce"])
    ]
    assert keys == [
        "mae",
        "gce(q=0.7)",
        "label_smoothing(epsilon=0.1)",
        "label_smoothing(epsilon=0.2)",
        "gce(q=0.3)",
        "gce(q=0.5)",
        "gce(q=0.9)",
    ]


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (["hubber"], "no handcrafted loss 'hubber'; accepted for regression, "),
        (["mae", "mse"], "'mse' is the task loss, which every run trains; leave it out"),
        (["huber(delta=9)"], "no handcrafted loss 'huber(delta=9)'; accepted for regression, "),
        ([], "the list is empty; accepted for regression, "),
    ],
)
def test_a_choice_that_does_not_fit_is_a_reason(losses: list[str], message: str) -> None:
    (reason,) = Handcrafted.check(Handcrafted.Config(losses=losses), REGRESSION)
    assert message in reason
    assert "huber(delta=1)" in reason or "mse" in losses


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError, match="loses"):
        Handcrafted.Config(loses=["mae"])
