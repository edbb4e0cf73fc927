from __future__ import annotations

import pytest
import torch
from loky import ProcessPoolExecutor
from support.engines import loss_of, make_engine

from automl_loss import Engine, HandcraftedLoss
from automl_loss.engine.scale_matching import gradient_norms

TEXTS = [
    "square(sub(y, f))",
    "mul(mul(mul(-1, y), square(sub(1, f))), log(f))",
    "sub(mul(f, f), mul(y, sqrt(f)))",
    "mul(sub(f, y), tanh(sub(f, y)))",
]


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))


@pytest.mark.parametrize("states", ["initial", "trajectory"])
def test_the_amortised_meta_gradient_is_the_exact_one_for_a_small_step(states: str) -> None:
    engine = make_engine(dtype="float64", training={"lr": 1e-4}, tuning={"states": states})
    population = engine.population(engine.match_scale([loss_of(text) for text in TEXTS]))
    tuner = engine.tuner(engine.spec.tuning)
    for index in (0, 3):
        amortised = tuner.amortised_gradient(population, index)
        exact = tuner.exact_gradient(population, index)
        assert (cosine(amortised, exact) > 0.9999).all()
        torch.testing.assert_close(amortised, exact, rtol=0.05, atol=float(exact.abs().max()) * 0.01)


def test_tuning_lowers_the_task_loss_after_a_step_under_the_tuned_loss() -> None:
    tuning = {"steps": 60, "lr": 0.02, "gradient": "exact", "states": "initial"}
    engine = make_engine(dtype="float64", tuning=tuning, training={"lr": 0.2})
    losses = engine.match_scale([loss_of(text) for text in TEXTS])
    tuned = [result.loss for result in engine.tune(losses)]
    tuner = engine.tuner(engine.spec.tuning)

    def after(population: object, index: int) -> torch.Tensor:
        step = engine.tuning_steps.step(index)
        network = engine.network
        leaves = network.leaves(step.state.theta)
        raw = network.forward(leaves, {}, step.train.x, shared=True, train=True)
        slopes = population.gradient(raw, step.train.target)
        results = []
        for row in slopes:
            flat = network.flatten(torch.autograd.grad(raw, leaves, row[None], retain_graph=True))
            theta = step.state.theta - 0.2 * 1.9 * (flat + 5e-4 * step.state.theta)
            outputs = network.forward(network.leaves(theta), {}, step.validation.x, shared=True, train=True)
            results.append(torch.nn.functional.cross_entropy(outputs[0].detach(), step.validation.target))
        return torch.stack(results)

    before_population, after_population = engine.population(losses), engine.population(tuned)
    tuner._rescale(before_population)
    gains = torch.stack(
        [after(before_population, i) - after(after_population, i) for i in range(200, 220)]
    ).mean(0)
    assert (gains > 0).all()


def test_tuned_losses_keep_the_matched_scale() -> None:
    engine = make_engine(dtype="float64", tuning={"steps": 20, "lr": 0.05})
    losses = engine.match_scale([loss_of(text) for text in TEXTS])
    tuned = [result.loss for result in engine.tune(losses)]
    assert [loss.weights for loss in tuned] != [loss.weights for loss in losses]
    norms = gradient_norms(engine.population(tuned), engine.matching.small)
    torch.testing.assert_close(
        norms, torch.full_like(norms, engine.matching.small_reference), rtol=1e-6, atol=0
    )


def test_a_loss_whose_weights_only_scale_it_is_left_as_it_is() -> None:
    engine = make_engine(tuning={"steps": 20, "lr": 0.05})
    (cross_entropy,) = engine.match_scale([loss_of("mul(mul(-1, y), log(f))")])
    (tuned,) = engine.tune([cross_entropy])
    # log(|w f| + 1e-7) is not a pure scale, but its gradient in f is one up to 1e-7 / f.
    assert tuned.loss.weights == pytest.approx(cross_entropy.weights, abs=1e-6)
    assert not tuned.exact


def test_losses_without_weights_and_zero_steps_pass_through() -> None:
    engine = make_engine()
    gce = HandcraftedLoss("gce", "multiclass")
    assert engine.tune([gce])[0].loss == gce
    off = make_engine(tuning={"steps": 0})
    loss = loss_of(TEXTS[0])
    assert off.tune([loss])[0].loss == loss


def test_a_loss_that_the_guard_refuses_is_tuned_exactly_from_its_start_weights() -> None:
    engine = make_engine(dtype="float64", tuning={"steps": 5, "states": "initial", "refused": "exact"})
    losses = engine.match_scale([loss_of(text) for text in TEXTS])
    tuner = engine.tuner(engine.spec.tuning)
    tuner.guard = lambda starts, tuned: [True, False, True, False]
    mixed = tuner.tune(losses)
    assert [result.refused for result in mixed] == [False, True, False, True]
    assert [result.exact for result in mixed] == [False, True, False, True]
    exactly = make_engine(
        dtype="float64", tuning={"steps": 5, "states": "initial", "gradient": "exact"}
    ).tune(losses)
    for k in (1, 3):
        assert mixed[k].loss.weights == pytest.approx(exactly[k].loss.weights, rel=1e-9)


def test_a_loss_that_the_guard_refuses_keeps_its_weights_by_default() -> None:
    engine = make_engine(dtype="float64", tuning={"steps": 5, "lr": 0.05})
    losses = engine.match_scale([loss_of(text) for text in TEXTS])
    tuner = engine.tuner(engine.spec.tuning)
    tuner.guard = lambda starts, tuned: [True, False, True, False]
    tuned = tuner.tune(losses)
    assert [result.refused for result in tuned] == [False, True, False, True]
    assert [result.loss == loss for result, loss in zip(tuned, losses, strict=True)] == [
        False,
        True,
        False,
        True,
    ]
    assert all(not result.exact and result.steps == 0 for result in tuned)


def test_the_guard_refuses_weights_at_which_the_amortised_gradient_misleads() -> None:
    engine = make_engine(dtype="float64", training={"lr": 30.0, "scale": "free"}, tuning={"steps": 3})
    tuner = engine.tuner(engine.spec.tuning)
    start = [loss_of("square(sub(y, f))"), loss_of("square(sub(y, f))")]
    grown = start[1].with_weights((50.0, 1.0, 1.0, 1.0))
    verdicts = tuner.guard(start, engine.population([start[0], grown]))
    assert verdicts[1] is False
    small = make_engine(dtype="float64", training={"lr": 1e-4, "scale": "free"}, tuning={"steps": 3})
    assert small.tuner(small.spec.tuning).guard(start, small.population(start)) == [True, True]


def tuned_weights(engine: Engine) -> list[tuple[float, ...]]:
    return [result.loss.weights for result in engine.tune([loss_of(text) for text in TEXTS])]


def test_tuning_is_repeatable_in_another_process() -> None:
    engine = make_engine()
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(tuned_weights, engine).result() == tuned_weights(engine)


def test_the_meta_gradient_is_proportional_to_a_small_step_however_small() -> None:
    def gradient(lr: float) -> torch.Tensor:
        engine = make_engine(training={"lr": lr})
        population = engine.population(engine.match_scale([loss_of(text) for text in TEXTS]))
        return engine.tuner(engine.spec.tuning).amortised_gradient(population, 0) / lr

    torch.testing.assert_close(gradient(1e-9), gradient(1e-3), rtol=1e-3, atol=1e-5)
    assert gradient(1e-9).norm(dim=1).min() > 0


def test_small_gradients_are_settled_whatever_their_direction() -> None:
    engine = make_engine(dtype="float64", tuning={"steps": 3}, training={"scale": "free"})
    tuner = engine.tuner(engine.spec.tuning)
    start, tuned = (engine.population([loss_of(TEXTS[0])]) for _ in range(2))
    one = torch.ones_like(tuned.weights)

    def verdict(cheap: float, true: float) -> bool:
        tuner._populate = lambda losses: start
        tuner.amortised_gradient = lambda population, i: one * (1.0 if population is start else cheap)
        tuner.exact_gradient = lambda population, i: one * true
        return tuner.guard([loss_of(TEXTS[0])], tuned)[0]

    assert verdict(0.04, -0.04)  # small beside the gradient at the start, which is 1
    assert not verdict(0.4, -0.4)
    assert not verdict(0.1, -0.1)
    assert verdict(0.4, 0.5)
    assert verdict(-0.04, 0.04)


def test_triples_past_the_memory_limit_go_round_and_those_of_the_guard_stay_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from automl_loss.engine.tuning import tuning_steps

    engine = make_engine(tuning={"steps": 20})
    bytes_each = 32 * 3 * 16
    monkeypatch.setattr(tuning_steps, "_TRIPLE_BYTES", (tuning_steps.HELD_OUT + 4) * bytes_each)
    steps = engine.tuning_steps
    tuning = [steps.triple(i) for i in range(20)]
    assert len({id(triple) for triple in tuning}) == 4
    assert [triple is tuning[i % 4] for i, triple in enumerate(tuning)] == [True] * 20
    held_out = [steps.triple(i) for i in range(20, 20 + tuning_steps.HELD_OUT)]
    assert len({id(triple) for triple in held_out}) == tuning_steps.HELD_OUT
    assert not {id(triple) for triple in held_out} & {id(triple) for triple in tuning}
    monkeypatch.undo()
    assert len({id(make_engine(tuning={"steps": 20}).tuning_steps.triple(i)) for i in (0, 4)}) == 2
