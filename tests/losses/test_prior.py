"""Losses that know how frequent the classes are."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from support.engines import make_engine, train
from torch import Tensor
from torch.nn import functional

from automl_loss import HandcraftedLoss, Problem, SymbolicLoss, catalogue, loss_from_json, parse
from automl_loss.engine.data.corruption import TaskOptions
from automl_loss.losses import Loss, build_module, render_module

PRIOR = (0.7, 0.2, 0.1)
PROBLEM = Problem("multiclass", (4,), 3, "cross_entropy", "error", PRIOR)
BINARY = Problem("binary", (4,), 1, "binary_cross_entropy", "error", (0.9, 0.1))
SAID = SymbolicLoss(parse("mul(mul(-1, y), log(mul(f, prior)))"))


def batch(problem: Problem) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    raw = 2 * torch.randn(7, problem.output_dim, generator=generator, dtype=torch.float64)
    return raw, torch.randint(problem.classes, (7,), generator=generator)


def test_logit_adjustment_is_cross_entropy_of_raw_outputs_moved_by_the_log_prior() -> None:
    raw, target = batch(PROBLEM)
    loss = HandcraftedLoss("logit_adjusted_ce", "multiclass", {"tau": 1.5}).for_problem(PROBLEM)
    moved = raw + 1.5 * torch.tensor(PRIOR, dtype=torch.float64).log()
    torch.testing.assert_close(
        loss.value(raw, target), functional.cross_entropy(moved, target, reduction="none")
    )


def test_class_weights_are_torchs_with_a_mean_of_one_over_the_rows() -> None:
    raw, target = batch(PROBLEM)
    loss = HandcraftedLoss("class_weighted_ce", "multiclass").for_problem(PROBLEM)
    weight = 1.0 / (3 * torch.tensor(PRIOR, dtype=torch.float64))
    expected = functional.cross_entropy(raw, target, weight=weight, reduction="none")
    torch.testing.assert_close(loss.value(raw, target), expected)
    assert sum(p * w for p, w in zip(PRIOR, weight.tolist(), strict=True)) == pytest.approx(1.0)


def test_of_two_classes_the_logit_moves_by_the_log_odds() -> None:
    raw, target = batch(BINARY)
    loss = HandcraftedLoss("logit_adjusted_ce", "binary").for_problem(BINARY)
    moved = raw[:, 0] + torch.tensor(0.1 / 0.9, dtype=torch.float64).log()
    expected = functional.binary_cross_entropy_with_logits(moved, target.double(), reduction="none")
    torch.testing.assert_close(loss.value(raw, target), expected)


def test_without_a_prior_all_classes_are_alike() -> None:
    raw, target = batch(PROBLEM)
    usual = functional.cross_entropy(raw, target, reduction="none")
    for name in ("class_weighted_ce", "logit_adjusted_ce"):
        torch.testing.assert_close(HandcraftedLoss(name, "multiclass").value(raw, target), usual)


def test_an_expression_says_the_share_of_each_class() -> None:
    raw, target = batch(PROBLEM)
    f, y = raw.softmax(1), functional.one_hot(target, 3).double()
    value = SAID.for_problem(PROBLEM).value(f, y)
    torch.testing.assert_close(value, -y * (f * torch.tensor(PRIOR, dtype=torch.float64) + 1e-7).log())
    f, y = raw[:, :1].sigmoid(), (target > 0).double()[:, None]
    torch.testing.assert_close(SAID.for_problem(BINARY).value(f, y), -y * (0.1 * f + 1e-7).log())


@pytest.mark.parametrize("problem", [PROBLEM, BINARY], ids=["multiclass", "binary"])
@pytest.mark.parametrize("known", [True, False])
def test_it_travels_by_json_and_by_module(problem: Problem, known: bool, tmp_path: Path) -> None:
    rivals = [HandcraftedLoss(name, problem.kind) for name in ("logit_adjusted_ce", "class_weighted_ce")]
    losses: list[Loss] = [SAID, *rivals]
    raw, target = batch(problem)
    for i, loss in enumerate(losses):
        own = loss.for_problem(problem) if known else loss
        assert loss_from_json(json.loads(json.dumps(own.to_json()))) == own
        file = tmp_path / f"{i}_{known}.py"
        file.write_text(render_module(own, problem))
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        expected = build_module(own, problem)(raw, target)
        torch.testing.assert_close(module.LearnedLoss()(raw, target), expected)


def test_rivals_for_rare_classes_stand_where_classes_are_rare() -> None:
    def names(prior: tuple[float, ...]) -> set[str]:
        return {
            loss.name for loss in catalogue(Problem("multiclass", (4,), 3, "cross_entropy", "error", prior))
        }

    special = {"class_weighted_ce", "logit_adjusted_ce"}
    assert special <= names(PRIOR)
    assert special <= names(())
    assert not special & names((0.34, 0.33, 0.33))
    assert all(loss.prior == PRIOR for loss in catalogue(PROBLEM) if loss.name in special)


def test_the_engine_knows_the_shares_of_its_training_rows_and_trains_under_them() -> None:
    engine = make_engine(options=TaskOptions(imbalance=0.1))
    counts = torch.bincount(engine.train_rows.target)
    assert engine.problem.class_prior == pytest.approx((counts / counts.sum()).tolist())
    losses = [
        SAID,
        HandcraftedLoss("logit_adjusted_ce", "multiclass"),
        SymbolicLoss(parse("square(sub(y, f))")),
    ]
    own = engine.match_scale([loss.for_problem(engine.problem) for loss in losses])
    together = train(engine, own)
    alone = [train(engine, [loss])[0] for loss in own]
    assert [run.fitness for run in together] == pytest.approx([run.fitness for run in alone])
