"""Handcrafted losses against references of their own, and far away from zero."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from automl_loss.losses import HandcraftedLoss, Problem, catalogue, published_losses, task_loss
from automl_loss.losses.families import families_of
from automl_loss.losses.problem import Kind

PROBLEMS: dict[Kind, Problem] = {
    "multiclass": Problem.classification((2,), 4),
    "binary": Problem.classification((2,), 2),
    "regression": Problem.regression((2,), 3),
}


def _ngl(p: Tensor, t: Tensor) -> Tensor:
    y = (p == t.unsqueeze(1)).double()
    return torch.exp(2.4092 - p - p * y) - torch.cos(torch.cos(torch.sin(p)))


# Of p, the probabilities (batch, classes), and the target's (batch,).
CLASSIFICATION: dict[str, tuple[dict[str, float], Callable[[Tensor, Tensor], Tensor]]] = {
    "cross_entropy": ({}, lambda p, t: -t.log()),
    "label_smoothing": ({"epsilon": 0.2}, lambda p, t: -0.8 * t.log() - 0.2 * p.log().mean(1)),
    "focal": ({"gamma": 1.5}, lambda p, t: -((1 - t) ** 1.5) * t.log()),
    "poly1": ({"epsilon": 0.7}, lambda p, t: -t.log() + 0.7 * (1 - t)),
    "gce": ({"q": 0.3}, lambda p, t: (1 - t**0.3) / 0.3),
    "symmetric_ce": ({"alpha": 0.4, "beta": 0.6}, lambda p, t: -0.4 * t.log() + 0.6 * 4 * (1 - t)),
    "mae": ({}, lambda p, t: 1 - t + p.sum(1) - t),
    "baikal": ({}, lambda p, t: -p.log().mean(1) + 1 / (p.shape[1] * t)),
    "ngl": ({}, lambda p, t: _ngl(p, t).mean(1)),
    "absolute_ce": ({"phi": 1.3}, lambda p, t: (1.3 * t).log().abs()),
}
REGRESSION: dict[str, tuple[dict[str, float], Callable[[Tensor], Tensor]]] = {
    "mse": ({}, lambda r: r * r),
    "mae": ({}, lambda r: r.sign() * r),
    "huber": ({"delta": 0.7}, lambda r: torch.where(r.abs() < 0.7, r * r / 2, 0.7 * (r.abs() - 0.35))),
    "log_cosh": ({}, lambda r: r.cosh().log()),
    "student_t": (
        {"nu": 4.0},
        # The density's logarithm, up to its value at the centre.
        lambda r: (
            torch.distributions.StudentT(4.0).log_prob(torch.zeros_like(r))
            - torch.distributions.StudentT(4.0).log_prob(r)
        ),
    ),
    "pinball": ({"tau": 0.2}, lambda r: torch.where(r < 0, -0.2 * r, 0.8 * r)),
}


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_a_classification_loss_equals_its_formula_in_probabilities(kind: Kind, name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = PROBLEMS[kind].output_dim
    raw = 2 * torch.randn(50, outputs, generator=generator, dtype=torch.float64)
    target = torch.randint(PROBLEMS[kind].classes, (50,), generator=generator)
    p = raw.softmax(1) if kind == "multiclass" else torch.cat([1 - raw.sigmoid(), raw.sigmoid()], 1)
    parameters, reference = CLASSIFICATION[name]
    own = "binary_cross_entropy" if (kind, name) == ("binary", "cross_entropy") else name
    value = HandcraftedLoss(own, kind, parameters).value(raw, target)
    torch.testing.assert_close(value, reference(p, p.gather(1, target.unsqueeze(1))[:, 0]))


@pytest.mark.parametrize("name", REGRESSION)
def test_a_regression_loss_equals_its_formula_in_residuals(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target = 2 * torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    parameters, reference = REGRESSION[name]
    value = HandcraftedLoss(name, "regression", parameters).value(prediction, target)
    torch.testing.assert_close(value, reference(prediction - target))


def test_every_family_has_a_reference() -> None:
    of_prior = {name for name, family in families_of("multiclass").items() if family.needs_prior}
    assert of_prior == {"class_weighted_ce", "logit_adjusted_ce"}  # test_prior.py has theirs
    assert set(families_of("multiclass")) == set(CLASSIFICATION) | of_prior
    names = {name.removeprefix("binary_") for name in families_of("binary")}
    assert names == set(CLASSIFICATION) | of_prior
    assert set(families_of("regression")) == set(REGRESSION)


def test_the_task_losses_are_torchs() -> None:
    raw, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    torch.testing.assert_close(
        task_loss(PROBLEMS["multiclass"]).value(raw, target).mean(), functional.cross_entropy(raw, target)
    )
    logit, label = raw[:, :1], target % 2
    torch.testing.assert_close(
        task_loss(PROBLEMS["binary"]).value(logit, label).mean(),
        functional.binary_cross_entropy_with_logits(logit[:, 0], label.float()),
    )
    torch.testing.assert_close(
        task_loss(PROBLEMS["regression"]).value(raw, logit.expand(6, 4)).mean(),
        functional.mse_loss(raw, logit.expand(6, 4)),
    )


@pytest.mark.parametrize("size", [0.0, 1e-3, 20.0, 200.0, 1e4])
@pytest.mark.parametrize("kind", PROBLEMS)
def test_values_and_gradients_are_finite_far_away(kind: Kind, size: float) -> None:
    problem = PROBLEMS[kind]
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * problem.output_dim)
    signs = signs.reshape(-1, problem.output_dim)
    losses = [*catalogue(problem), *(HandcraftedLoss(name, kind) for name in families_of(kind))]
    if kind != "regression":
        losses += [HandcraftedLoss("focal", kind, {"gamma": gamma}) for gamma in (0.0, 0.5, 1.0, 5.0)]
    for label in range(problem.classes or 1):
        raw = (size * signs).requires_grad_()
        target = torch.full((len(raw),), label) if problem.classes else torch.zeros_like(raw)
        for loss in losses:
            value = loss.value(raw, target)
            (gradient,) = torch.autograd.grad(value.sum(), raw)
            assert value.isfinite().all(), loss
            assert gradient.isfinite().all(), loss
            assert (value >= -1e-6).all(), loss


@pytest.mark.parametrize("kind", PROBLEMS)
def test_the_catalogue_starts_with_the_task_loss_and_repeats_nothing(kind: Kind) -> None:
    losses = catalogue(PROBLEMS[kind])
    assert losses[0] == task_loss(PROBLEMS[kind])
    published = {loss.name for loss in published_losses(PROBLEMS[kind])}
    assert published == (set() if kind == "regression" else {"baikal", "ngl", "absolute_ce"})
    assert {loss.name for loss in losses} == set(families_of(kind)) - published
    assert len({loss.key for loss in losses}) == len(losses)
    assert all(loss.kind == kind and loss.space == "raw" for loss in losses)


def test_keys_name_the_parameters() -> None:
    assert HandcraftedLoss("mae", "regression").key == "mae"
    assert HandcraftedLoss("symmetric_ce", "binary", {"alpha": 0.5}).key == "symmetric_ce(alpha=0.5, beta=1)"
    assert HandcraftedLoss("symmetric_ce", "binary").complexity == 3


@pytest.mark.parametrize("kind", PROBLEMS)
def test_losses_can_be_pickled_compared_and_hashed(kind: Kind) -> None:
    for loss in (*catalogue(PROBLEMS[kind]), *published_losses(PROBLEMS[kind])):
        twin = pickle.loads(pickle.dumps(loss))
        assert twin == loss
        assert hash(twin) == hash(loss)
        assert loss.with_scale(2.0) != loss
        assert loss.with_scale(2.0).with_scale(1.0) == loss
        assert loss.with_weights(()) == loss
        assert loss.program is None


@pytest.mark.parametrize("kind", PROBLEMS)
def test_latex_has_every_parameter_filled_in(kind: Kind) -> None:
    for loss in (*catalogue(PROBLEMS[kind]), *published_losses(PROBLEMS[kind])):
        assert "<" not in loss.latex.replace(r"\le", "")
    assert HandcraftedLoss("gce", "multiclass", {"q": 0.5}).latex == r"\frac{1 - p^{0.5}}{0.5}"


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="no regression loss 'gce'; there are mse, mae, huber"):
        HandcraftedLoss("gce", "regression")
    with pytest.raises(ValueError, match="gce has no parameter 'p'; it has q"):
        HandcraftedLoss("gce", "binary", {"p": 1.0})
    with pytest.raises(ValueError, match="mse has no parameter 'p'; it has none"):
        HandcraftedLoss("mse", "regression", {"p": 1.0})
    with pytest.raises(ValueError, match="mse has no weights but got 2"):
        HandcraftedLoss("mse", "regression").with_weights((1.0, 2.0))


@pytest.mark.parametrize(
    ("name", "kind", "parameter", "value", "accepted"),
    [
        ("gce", "multiclass", "q", 0.0, r"\(0, inf\)"),
        ("label_smoothing", "binary", "epsilon", 1.5, r"\(0, 1\)"),
        ("poly1", "binary", "epsilon", math.inf, r"\(-inf, inf\)"),
        ("huber", "regression", "delta", -1.0, r"\(0, inf\)"),
        ("student_t", "regression", "nu", math.nan, r"\(0, inf\)"),
        ("pinball", "regression", "tau", 1.0, r"\(0, 1\)"),
    ],
)
def test_a_parameter_out_of_range_is_refused(
    name: str, kind: Kind, parameter: str, value: float, accepted: str
) -> None:
    with pytest.raises(ValueError, match=f"{name} takes {parameter} in {accepted} but got {value:g}"):
        HandcraftedLoss(name, kind, {parameter: value})
