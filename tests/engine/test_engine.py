from __future__ import annotations

import cloudpickle
import pytest
import torch
from support.engines import loss_of, make_engine, norm_and_dropout, train
from torch import nn

from automl_loss import EvaluationError, Lane, Problem, Schedule, stream, task_loss

PROBLEM = Problem.classification((6,), 3)
RUN_SEED = stream(0, "tuning", "trajectory")


def test_an_engine_pickles_as_its_source_and_gives_the_same_bits() -> None:
    engine = make_engine()
    copy = cloudpickle.loads(cloudpickle.dumps(engine))
    losses = [loss_of("square(sub(y, f))"), task_loss(PROBLEM)]
    assert [r.curve for r in train(engine, losses)] == [r.curve for r in train(copy, losses)]
    assert engine.match_scale(losses) == copy.match_scale(losses)


def test_an_engine_at_another_rate_shares_the_data_and_nothing_that_depends_on_the_rate() -> None:
    engine = make_engine()
    first = engine._task_loss_run
    other = engine.with_lr(0.5)
    assert other.lr == 0.5
    assert other.train_rows is engine.train_rows
    assert other._task_loss_run is not first
    assert engine.lr == 0.05


def test_a_rate_that_is_still_to_be_chosen_is_an_error_that_says_so() -> None:
    with pytest.raises(EvaluationError, match="auto"):
        train(make_engine(training={"lr": "auto"}), [task_loss(PROBLEM)])


def test_width_changes_no_result_beyond_rounding() -> None:
    losses = [loss_of("square(sub(y, f))"), task_loss(PROBLEM), loss_of("mul(mul(-1, y), sqrt(f))")]
    wide = train(make_engine(dtype="float64", training={"width": 3}), losses)
    narrow = train(make_engine(dtype="float64", training={"width": 1}), losses)
    for one, other in zip(wide, narrow, strict=True):
        assert one.curve == pytest.approx(other.curve, rel=1e-9)


def test_a_network_of_the_wrong_shape_is_refused_with_both_shapes() -> None:
    def wrong(inputs: int, outputs: int) -> nn.Module:
        return nn.Linear(inputs, outputs + 1)

    with pytest.raises(EvaluationError, match=r"\(2, 4\).*\(batch, 3\)"):
        train(make_engine(wrong), [task_loss(PROBLEM)])


def test_a_network_without_parameters_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no parameters"):
        make_engine(lambda inputs, outputs: nn.Identity())


def test_cuda_without_a_gpu_is_refused_in_words() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EvaluationError, match="--device cpu"):
        make_engine(device="cuda")


def test_a_trajectory_goes_from_the_start_to_past_the_best_step() -> None:
    engine = make_engine(training={"steps": 60})
    run, states = engine._task_loss_run, engine._tuning_states()
    assert list(run.snapshots) == sorted(run.snapshots)
    assert 2 <= len(states) <= 25
    kept = {step: state for step, state in run.snapshots.items() if any(state is one for one in states)}
    assert min(kept) == 0
    assert max(kept) <= 1.25 * run.best_step
    assert torch.equal(kept[0].theta, engine.network.initial(stream(RUN_SEED, "weights")).theta)


def test_states_on_the_way_are_those_of_a_run_that_ends_there() -> None:
    training = {"steps": 40, "milestones": (0.5,), "gamma": 0.01}
    engine = make_engine(training=training)
    snapshots = engine._task_loss_run.snapshots
    lane = Lane(task_loss(PROBLEM), engine.lr, RUN_SEED)
    (run,) = engine.train([lane], Schedule(40, "last", milestones=(0.5,), keep=True))
    assert run.network is not None
    assert torch.equal(snapshots[40].theta, run.network.theta)
    # After the milestone nothing moves any more, to speak of.
    moved = {step: float((snapshots[40].theta - state.theta).norm()) for step, state in snapshots.items()}
    late = [step for step in moved if 20 < step < 40]
    assert late
    assert all(moved[step] < 0.05 * moved[0] for step in late)


def test_a_task_loss_run_that_diverges_gives_finite_states_alone() -> None:
    engine = make_engine(training={"steps": 30, "lr": 1e30})
    run = engine._task_loss_run
    assert run.diverged
    states = [*engine._tuning_states(), engine._late_state]
    assert all(bool(torch.isfinite(state.theta).all()) for state in states)
    assert not torch.isnan(engine.raw_gradients([task_loss(PROBLEM)])).any()


def test_one_loss_and_many_losses_are_both_fine() -> None:
    engine = make_engine()
    assert len(train(engine, [task_loss(PROBLEM)])) == 1
    assert len(train(engine, [loss_of("square(sub(y, f))")] * 70, steps=2)) == 70


def test_a_number_of_rates_that_does_not_fit_is_an_error() -> None:
    with (
        pytest.warns(DeprecationWarning, match="Lane"),
        pytest.raises(ValueError, match="2 values for 1 losses"),
    ):
        make_engine().train([task_loss(PROBLEM)], lr=[0.1, 0.2])


def test_the_signature_of_the_first_version_goes_on_with_a_warning() -> None:
    engine = make_engine(training={"rungs": (15,)})
    losses = [task_loss(PROBLEM), loss_of("square(sub(y, f))")]
    with pytest.warns(DeprecationWarning, match=r"train\(\[Lane\(loss, lr, seed\)"):
        old = engine.train(losses, lr=[0.1, 0.2], steps=10, seed=3)
    assert [run.curve for run in old] == [
        run.curve for run in train(engine, losses, lr=[0.1, 0.2], steps=10, seed=3)
    ]
    with pytest.warns(DeprecationWarning, match="Lane"):
        assert [run.curve for run in engine.train(losses)] == [run.curve for run in train(engine, losses)]
    with pytest.raises(TypeError, match="'steeps'"):
        engine.train(losses, steeps=3)


class Recurrent(nn.Module):
    """A layer that torch.vmap has no rule for, and that has no forward mode."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.LSTM(inputs, 5, batch_first=True)
        self.head = nn.Linear(5, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raw: torch.Tensor = self.head(self.layer(x[:, None])[0][:, -1])
        return raw


def test_a_network_that_cannot_be_batched_is_trained_and_tuned_one_by_one() -> None:
    engine = make_engine(Recurrent, training={"width": 8})
    assert engine.width == 1
    losses = engine.match_scale([loss_of("square(sub(y, f))"), loss_of("mul(f, sub(f, y))")])
    tuned = [result.loss for result in engine.tune(losses)]
    assert all(not result.diverged for result in train(engine, tuned))


def half_frozen(inputs: int, outputs: int) -> nn.Module:
    network = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))
    network[0].requires_grad_(False)
    return network


def test_parameters_that_the_user_froze_stay_as_they_are() -> None:
    engine = make_engine(half_frozen)
    assert engine.network.parameters == 8 * 3 + 3
    test = engine.task.test(0)
    with_frozen = train(engine, [task_loss(PROBLEM)], seed=4, test=test)[0]
    assert with_frozen.test_output is not None
    start = engine.network.initial(4)
    assert set(start.buffers) == {"0.weight", "0.bias"}


def test_dropout_masks_belong_to_a_networks_own_seed_whatever_its_neighbours() -> None:
    engine = make_engine(norm_and_dropout, dtype="float64")
    loss = task_loss(PROBLEM)
    alone = train(engine, [loss], seed=2)[0].curve
    assert train(engine, [loss, loss], seed=[1, 2])[1].curve == pytest.approx(alone)
    assert train(engine, [loss, loss], seed=[2, 1])[0].curve == pytest.approx(alone)
