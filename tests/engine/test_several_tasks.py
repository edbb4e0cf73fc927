from __future__ import annotations

import math
import pickle

import pytest
import torch
from support.engines import loss_of, make_engine, train

from automl_loss import Engine, TrainingEngine
from automl_loss.engine.several_tasks import SeveralTasks
from automl_loss.losses.handcrafted import task_loss

LOSSES = [loss_of("mul(mul(-1, y), log(f))"), loss_of("square(sub(y, f))").with_scale(50.0)]


@pytest.fixture
def joint() -> SeveralTasks:
    engines = [make_engine(training={"lr": 0.05}), make_engine(seed=7, training={"lr": 0.2})]
    return SeveralTasks(engines, ["one", "two"]).with_base(engines, [0.2, 0.5])


def test_fitness_is_the_mean_of_the_metric_over_the_task_loss_s(joint: SeveralTasks) -> None:
    trained = train(joint, LOSSES, lr=[1.0, 2.0])
    for place, loss in enumerate(LOSSES):
        parts = []
        for engine, base in zip(joint.engines, joint.base, strict=True):
            (own,) = engine.match_scale([loss])
            (alone,) = train(engine, [own], lr=engine.lr * (place + 1), seed=joint.search_seed(0))
            assert alone.fitness is not None
            s = 0.5 / len(engine.validation_rows)
            parts.append((alone.fitness + s) / (base + s))
        assert trained[place].fitness == pytest.approx(sum(parts) / 2, rel=1e-5)


def test_the_task_loss_at_its_own_base_has_fitness_one(joint: SeveralTasks) -> None:
    usual = task_loss(joint.problem)
    base = [train(engine, [usual], seed=joint.search_seed(0))[0].fitness for engine in joint.engines]
    level = joint.with_base(joint.engines, [value or 0.0 for value in base])
    assert train(level, [usual])[0].fitness == pytest.approx(1.0, abs=0.05)


def test_the_scale_of_a_loss_that_is_handed_in_does_not_matter(joint: SeveralTasks) -> None:
    small, large = train(joint, [LOSSES[1], LOSSES[1].with_scale(1e-3)])
    assert small.fitness == large.fitness
    assert [loss.scale for loss in joint.match_scale(LOSSES)] == [1.0, 1.0]


def test_a_candidate_must_pass_on_every_task(joint: SeveralTasks) -> None:
    ratios = torch.stack([engine.gradient_ratios(LOSSES) for engine in joint.engines])
    assert torch.equal(joint.gradient_ratios(LOSSES), ratios.amin(0))
    gains = joint.improvements(LOSSES)
    assert gains.shape == (2,)
    assert joint.raw_gradients(LOSSES).shape[2] == sum(
        e.raw_gradients(LOSSES).shape[2] for e in joint.engines
    )
    assert not math.isfinite(
        float(joint.gradient_ratios([loss_of("mul(y, f)").with_weights((math.nan,) * 3)])[0])
    )


def test_weights_are_tuned_on_each_task_and_averaged(joint: SeveralTasks) -> None:
    loss = loss_of("add(square(sub(y, f)), mul(mul(-1, y), log(f)))")
    (tuned,) = joint.tune([loss])
    each = [engine.tune(engine.match_scale([loss]))[0].loss.weights for engine in joint.engines]
    assert tuned.loss.weights == pytest.approx([(a + b) / 2 for a, b in zip(*each, strict=True)])


def test_a_loss_that_diverges_on_one_task_diverges(joint: SeveralTasks) -> None:
    good = train(joint, LOSSES[:1])[0]
    assert not good.diverged
    broken = SeveralTasks([joint.engines[0], joint.engines[1].with_lr(1e30)], joint.labels, joint.base)
    assert train(broken, LOSSES[:1])[0].diverged


def test_what_belongs_to_one_task_is_refused(joint: SeveralTasks) -> None:
    with pytest.raises(ValueError, match="each task's engine"):
        train(joint, LOSSES, keep=True)


def test_a_learning_rate_is_a_multiple_of_each_task_s_own(joint: SeveralTasks) -> None:
    faster = joint.with_lr(2.0)
    assert (joint.lr, faster.lr) == (1.0, 2.0)
    assert pickle.loads(pickle.dumps(faster.__reduce__()[1][3])) == 2.0
    assert [run.curve for run in train(faster, LOSSES)] == [run.curve for run in train(joint, LOSSES, lr=2.0)]
    assert [engine.lr for engine in faster.engines] == [0.05, 0.2]


def test_it_is_all_that_an_evaluator_may_use_and_nothing_that_refuses_itself(joint: SeveralTasks) -> None:
    members = [name for name in vars(TrainingEngine) if not name.startswith("_")]
    assert len(members) >= 15
    for engine in (joint, joint.engines[0]):
        for name in members:
            assert getattr(engine, name) is not None
    assert not isinstance(joint, Engine)


def test_it_pickles_when_its_engines_do(joint: SeveralTasks) -> None:
    function, arguments = joint.__reduce__()[:2]
    again = function(*arguments)
    assert again.base == joint.base
    assert again.labels == joint.labels
    assert pickle.dumps(joint.base)
