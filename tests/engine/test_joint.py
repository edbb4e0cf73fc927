from __future__ import annotations

import math
import pickle

import pytest
import torch
from support.engines import loss_of, make_engine

from automl_loss.engine.joint import JointEngine
from automl_loss.losses.handcrafted import task_loss

LOSSES = [loss_of("mul(mul(-1, y), log(f))"), loss_of("square(sub(y, f))").with_scale(50.0)]


@pytest.fixture
def joint() -> JointEngine:
    engines = [make_engine(training={"lr": 0.05}), make_engine(seed=7, training={"lr": 0.2})]
    return JointEngine(engines, ["one", "two"]).with_base(engines, [0.2, 0.5])


def test_fitness_is_the_mean_of_the_metric_over_the_task_loss_s(joint: JointEngine) -> None:
    trained = joint.train(LOSSES, lr=[1.0, 2.0])
    for place, loss in enumerate(LOSSES):
        parts = []
        for engine, base in zip(joint.engines, joint.base, strict=True):
            (own,) = engine.match_scale([loss])
            (alone,) = engine.train([own], lr=engine.lr * (place + 1))
            assert alone.fitness is not None
            s = 0.5 / len(engine.validation_rows)
            parts.append((alone.fitness + s) / (base + s))
        assert trained[place].fitness == pytest.approx(sum(parts) / 2, rel=1e-5)


def test_the_task_loss_at_its_own_base_has_fitness_one(joint: JointEngine) -> None:
    usual = task_loss(joint.problem)
    base = [engine.train([usual])[0].fitness for engine in joint.engines]
    level = joint.with_base(joint.engines, [value or 0.0 for value in base])
    assert level.train([usual])[0].fitness == pytest.approx(1.0, abs=0.05)


def test_the_scale_of_a_loss_that_is_handed_in_does_not_matter(joint: JointEngine) -> None:
    small, large = joint.train([LOSSES[1], LOSSES[1].with_scale(1e-3)])
    assert small.fitness == large.fitness
    assert [loss.scale for loss in joint.match_scale(LOSSES)] == [1.0, 1.0]


def test_a_candidate_must_pass_on_every_task(joint: JointEngine) -> None:
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


def test_weights_are_tuned_on_each_task_and_averaged(joint: JointEngine) -> None:
    loss = loss_of("add(square(sub(y, f)), mul(mul(-1, y), log(f)))")
    (tuned,) = joint.tune([loss])
    each = [engine.tune(engine.match_scale([loss]))[0].loss.weights for engine in joint.engines]
    assert tuned.loss.weights == pytest.approx([(a + b) / 2 for a, b in zip(*each, strict=True)])


def test_a_loss_that_diverges_on_one_task_diverges(joint: JointEngine) -> None:
    good = joint.train(LOSSES[:1])[0]
    assert not good.diverged
    broken = JointEngine([joint.engines[0], joint.engines[1].with_lr(1e30)], joint.labels, joint.base)
    assert broken.train(LOSSES[:1])[0].diverged


def test_what_belongs_to_one_task_is_refused(joint: JointEngine) -> None:
    with pytest.raises(ValueError, match="each task's engine"):
        joint.train(LOSSES, keep=True)


def test_it_pickles_when_its_engines_do(joint: JointEngine) -> None:
    function, arguments = joint.__reduce__()[:2]
    again = function(*arguments)
    assert again.base == joint.base
    assert again.labels == joint.labels
    assert pickle.dumps(joint.base)
