from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from support.engines import Blobs, loss_of, make_engine, norm_and_dropout, small_mlp, train
from torch import nn
from torch.nn import functional

from automl_loss import Problem, task_loss
from automl_loss.engine.data.rows import BatchOrder
from automl_loss.engine.training.train import Schedule
from automl_loss.seeds import stream

PROBLEM = Problem.classification((6,), 3)
CROSS_ENTROPY = "mul(mul(-1, y), log(f))"


def plain_loop(make: object, lr: float, seed: int, steps: int, settings: dict[str, object]) -> list[float]:
    """Validation error at every look by torch's own modules, loss, optimizer and global generator."""
    splits = Blobs(None).splits(0)
    x, y = torch.from_numpy(splits.train.x), torch.from_numpy(splits.train.y)
    with torch.random.fork_rng():
        torch.manual_seed(stream(seed, "weights"))
        module = make(6, 3)
        torch.manual_seed(stream(seed, "dropout"))
        optimizer = torch.optim.SGD(module.parameters(), lr=lr, **settings)
        order = BatchOrder(len(y), 32, seed)
        errors = []
        for step in range(steps):
            module.train()
            index = torch.from_numpy(order[step])
            optimizer.zero_grad()
            functional.cross_entropy(module(x[index]), y[index]).backward()
            optimizer.step()
            if step + 1 in Schedule(steps).looks:
                module.eval()
                raw = module(torch.from_numpy(splits.validation.x))
                errors.append(float((raw.argmax(-1) != torch.from_numpy(splits.validation.y)).float().mean()))
    return errors


@pytest.mark.parametrize("network", [small_mlp, norm_and_dropout], ids=["mlp", "batchnorm-dropout"])
def test_a_batch_of_networks_trains_as_each_would_in_a_plain_torch_loop(network: object) -> None:
    engine = make_engine(network, dtype="float64", training={"weight_decay": 5e-4})
    lrs = [0.01, 0.05, 0.2]
    results = train(engine, [task_loss(PROBLEM)] * 3, lr=lrs, steps=30, seed=5)
    for lr, result in zip(lrs, results, strict=True):
        settings = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
        expected = plain_loop(network, lr, 5, 30, settings)
        if network is small_mlp:
            assert list(result.curve) == pytest.approx(expected)
        else:
            # Masks are drawn in another dtype, so the course differs; it must be as good.
            assert result.last == pytest.approx(expected[-1], abs=0.15)


def test_each_candidate_has_batch_statistics_of_its_own() -> None:
    engine = make_engine(norm_and_dropout)
    losses = [task_loss(PROBLEM), loss_of("abs(sub(y, f))"), loss_of("square(sub(y, f))")]
    together = train(engine, losses, lr=[0.05, 0.3, 0.1], seed=5)
    alone = [
        train(engine, [loss], lr=lr, seed=5)[0] for loss, lr in zip(losses, [0.05, 0.3, 0.1], strict=True)
    ]
    for one, other in zip(together, alone, strict=True):
        assert one.curve == pytest.approx(other.curve, abs=0.02)


def test_a_symbolic_cross_entropy_trains_as_torchs_own() -> None:
    engine = make_engine(dtype="float64")
    symbolic, fused = train(engine, [loss_of(CROSS_ENTROPY), task_loss(PROBLEM)], seed=3)
    assert symbolic.curve == pytest.approx(fused.curve)


def test_a_network_that_diverges_changes_no_bit_of_its_neighbours() -> None:
    engine = make_engine()
    good = loss_of("square(sub(y, f))")
    lr = [0.1, 1e30, 0.1]
    with_bad = train(engine, [good, good.with_scale(1e30), task_loss(PROBLEM)], lr=lr, seed=1)
    without = train(engine, [good, good, task_loss(PROBLEM)], lr=[0.1, 0.1, 0.1], seed=1)
    assert with_bad[1].diverged
    assert with_bad[1].steps < 20
    assert with_bad[0].curve == without[0].curve
    assert with_bad[2].curve == without[2].curve


def test_equal_losses_on_different_seeds_give_different_runs_that_a_lone_run_repeats() -> None:
    engine = make_engine()
    loss = task_loss(PROBLEM)
    first, second = train(engine, [loss, loss], seed=[1, 2])
    assert first.curve != second.curve
    assert train(engine, [loss], seed=2)[0].curve == pytest.approx(second.curve)


def test_the_stopping_rule_takes_the_best_look_or_the_last() -> None:
    best = train(make_engine(stop="best_validation"), [task_loss(PROBLEM)], steps=40)[0]
    last = train(make_engine(stop="last"), [task_loss(PROBLEM)], steps=40)[0]
    assert best.curve == last.curve
    assert best.fitness == min(best.curve)
    assert last.fitness == last.curve[-1] == best.last
    assert Schedule(40).looks[best.curve.index(best.fitness)] == best.best_step


def test_rungs_report_the_fitness_so_far() -> None:
    result = train(make_engine(), [task_loss(PROBLEM)], steps=40, rungs=(7, 20))[0]
    looks = Schedule(40, rungs=(7, 20)).looks
    for rung, value in zip((7, 20), result.rungs, strict=True):
        assert value == min(result.curve[: looks.index(rung) + 1])


def test_looks_are_every_two_per_cent_of_the_steps() -> None:
    assert Schedule(500).looks == list(range(10, 501, 10))
    assert Schedule(3).looks == [1, 2, 3]


def test_test_outputs_are_those_of_the_best_step_and_change_nothing() -> None:
    engine = make_engine()
    test = Blobs(None).test(0)
    loss = loss_of("square(sub(y, f))")
    seen = train(engine, [loss], lr=0.8, steps=100, seed=2, test=test)[0]
    assert seen.curve == train(engine, [loss], lr=0.8, steps=100, seed=2)[0].curve
    assert seen.best_step < 100
    # A run of that length whose last step counts, with the same batches.
    ended = train(engine, [loss], lr=0.8, steps=seen.best_step, seed=2, stop="last", test=test)[0]
    np.testing.assert_array_equal(seen.test_output, ended.test_output)
    assert not np.array_equal(seen.test_output, seen.test_output_last)
    assert seen.test_output.shape == (60, 3)


def test_milestones_lower_the_learning_rate_as_torchs_scheduler_does() -> None:
    steps, lr = 20, 0.1
    engine = make_engine(
        dtype="float64",
        training={"milestones": (0.5,), "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    )
    ours = train(engine, [task_loss(PROBLEM)], lr=lr, steps=steps, seed=4, test=Blobs(None).test(0))[0]
    splits = Blobs(None).splits(0)
    x, y = torch.from_numpy(splits.train.x).double(), torch.from_numpy(splits.train.y)
    with torch.random.fork_rng():
        torch.manual_seed(stream(4, "weights"))
        module: nn.Module = copy.deepcopy(small_mlp(6, 3)).double()
    optimizer = torch.optim.SGD(module.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [10], gamma=0.1)
    order = BatchOrder(len(y), 32, 4)
    for step in range(steps):
        index = torch.from_numpy(order[step])
        optimizer.zero_grad()
        functional.cross_entropy(module(x[index]), y[index]).backward()
        optimizer.step()
        scheduler.step()
    expected = module(torch.from_numpy(Blobs(None).test(0).x).double()).detach()
    np.testing.assert_allclose(ours.test_output_last, expected.float().numpy(), rtol=1e-5)


def test_training_leaves_torchs_global_generator_as_it_was() -> None:
    before = torch.random.get_rng_state()
    train(make_engine(norm_and_dropout), [task_loss(PROBLEM)])
    assert torch.equal(before, torch.random.get_rng_state())


def test_milestones_lower_the_rate_from_their_step_on() -> None:
    plain = train(make_engine(), [task_loss(PROBLEM)], steps=20)[0].curve
    stopped = train(
        make_engine(training={"milestones": (0.5,), "gamma": 1e-12, "momentum": 0.0}),
        [task_loss(PROBLEM)],
        steps=20,
    )[0]
    unscheduled = train(make_engine(training={"momentum": 0.0}), [task_loss(PROBLEM)], steps=20)[0]
    # Step 11 is the first at the lower rate, so nothing moves from the look after step 10 on.
    assert stopped.curve[:10] == unscheduled.curve[:10]
    assert len(set(stopped.curve[9:])) == 1
    assert len(plain) == len(unscheduled.curve)


def test_snapshots_are_those_that_were_asked_for_and_time_is_shared_out() -> None:
    engine = make_engine()
    losses = [task_loss(PROBLEM), loss_of("square(sub(y, f))")]
    plain = train(engine, losses, steps=10)
    assert [run.snapshots for run in plain] == [{}, {}]
    assert plain[0].seconds == plain[1].seconds > 0
    kept = train(engine, losses, steps=10, snapshots=(0, 4, 10))
    assert [list(run.snapshots) for run in kept] == [[0, 4, 10]] * 2
    (ended,) = train(engine, losses[1:], steps=10, snapshots=(0, 4, 10))
    for step, state in kept[1].snapshots.items():
        torch.testing.assert_close(state.theta, ended.snapshots[step].theta)
