from __future__ import annotations

import pytest
import torch
from support.engines import loss_of, make_engine, train

from automl_loss import HandcraftedLoss, Problem, task_loss
from automl_loss.engine.filter_measurements import improvements
from automl_loss.engine.scale_matching import gradient_norms

PROBLEM = Problem.classification((6,), 3)


def test_matched_losses_start_with_the_task_losss_gradient_norm_of_any_kind() -> None:
    engine = make_engine(dtype="float64")
    losses = [
        loss_of("square(sub(y, f))"),
        HandcraftedLoss("gce", "multiclass"),
        loss_of("mul(y, log(f))", scale=7.0),
    ]
    matched = engine.match_scale(losses)
    norms = gradient_norms(engine.population(matched), engine.matching.snapshot)
    reference = gradient_norms(engine.population([task_loss(PROBLEM)]), engine.matching.snapshot)
    torch.testing.assert_close(norms, reference.expand(3), rtol=1e-12, atol=0)


def test_matching_does_not_depend_on_the_scale_before() -> None:
    engine = make_engine(dtype="float64")
    loss = loss_of("square(sub(y, f))")
    one, other = engine.match_scale([loss, loss.with_scale(1e6)])
    assert one.scale == pytest.approx(other.scale, rel=1e-12)


def test_the_task_loss_has_scale_one() -> None:
    assert make_engine().match_scale([task_loss(PROBLEM)])[0].scale == pytest.approx(1.0, rel=1e-6)


def test_free_scale_leaves_losses_as_they_are() -> None:
    losses = [loss_of("square(sub(y, f))", scale=3.0)]
    assert make_engine(training={"scale": "free"}).match_scale(losses) == losses


def test_a_factor_on_a_loss_changes_nothing_of_its_training_under_matched_scale() -> None:
    engine = make_engine(dtype="float64")
    loss = loss_of("square(sub(y, f))")
    tenfold = loss.with_weights((10.0, *loss.weights[1:]))
    one, other = train(engine, engine.match_scale([loss, tenfold]))
    assert one.curve == pytest.approx(other.curve, rel=1e-9)


def test_a_term_constant_over_classes_reaches_no_raw_output() -> None:
    engine = make_engine()
    ratios = engine.gradient_ratios([loss_of("f"), loss_of("square(sub(y, f))"), loss_of("square(y)")])
    assert ratios[0] < 1e-6
    assert ratios[1] > 1e-3
    assert ratios[2] == 0


def test_free_outputs_improve_under_a_loss_and_worsen_under_its_negative() -> None:
    engine = make_engine()
    good = loss_of("mul(mul(-1, y), log(f))")
    gains = engine.improvements([good, loss_of("mul(y, log(f))")])
    assert gains[0] > 0
    assert gains[1] <= 0


def test_free_outputs_take_the_steps_of_torchs_adam() -> None:
    engine = make_engine(dtype="float64")
    losses = engine.match_scale(
        [loss_of("mul(mul(-1, y), log(f))"), loss_of("mul(y, log(f))"), loss_of("square(sub(y, f))")]
    )
    snapshot = engine.matching.snapshot
    for loss, gain in zip(
        losses, improvements(engine.population, losses, snapshot, engine.metric, 30), strict=True
    ):
        raw = snapshot.raw.clone().requires_grad_()
        optimizer = torch.optim.Adam([raw], lr=0.01)
        for _ in range(30):
            raw.grad = engine.population([loss]).gradient(raw, snapshot.target) * raw.shape[1]
            optimizer.step()
        before, after = (engine.metric.values(r.detach(), snapshot.target)[0] for r in (snapshot.raw, raw))
        torch.testing.assert_close(gain, before - after)


def test_a_loss_that_improves_early_is_let_off_and_the_others_go_on_as_before() -> None:
    engine = make_engine(dtype="float64")
    losses = engine.match_scale([loss_of("mul(mul(-1, y), log(f))"), loss_of("mul(y, log(f))")])
    fifth, whole = (engine.improvements(losses, steps) for steps in (20, 100))
    assert fifth[0] > 0 > whole[1]
    torch.testing.assert_close(
        engine.improvements(losses, 100, enough=0.0), torch.stack([fifth[0], whole[1]])
    )


def test_signatures_tell_cross_entropy_from_smoothing_and_see_equal_losses_as_equal() -> None:
    engine = make_engine()
    losses = engine.match_scale(
        [
            task_loss(PROBLEM),
            loss_of("mul(mul(-1, y), log(f))"),
            HandcraftedLoss("label_smoothing", "multiclass", (("epsilon", 0.3),)),
            HandcraftedLoss("focal", "multiclass"),
        ]
    )
    rows = engine.raw_gradients(losses)
    distance = (rows - rows[0]).norm(dim=2) / rows[0].norm(dim=1)
    assert (distance[1] < 0.01).all()
    assert (distance[2] > 0.01).any()
    assert (distance[3] > 0.01).any()
