from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn import metrics as reference
from torchmetrics.functional.classification import multiclass_calibration_error

from automl_loss.engine.metrics.metric import get_metric
from automl_loss.engine.metrics.names import METRICS, check_metric, metrics_for
from automl_loss.errors import EvaluationError, RecipeError
from automl_loss.losses.problem import Problem

ROWS = 60
MULTICLASS = Problem.classification((4,), classes=4)
BINARY = Problem.classification((4,), classes=2)
REGRESSION = Problem.regression((4,), outputs=2)
PROBLEMS = {"multiclass": MULTICLASS, "binary": BINARY, "regression": REGRESSION}


def draw(problem: Problem, networks: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw outputs better than chance, with ties, and targets of classes that are not equally frequent."""
    rng = np.random.default_rng(3)
    if problem.kind == "regression":
        target = rng.normal(size=(ROWS, 2))
        raw = target + rng.normal(size=(networks, ROWS, 2))
    else:
        target = np.minimum(rng.integers(0, problem.classes + 2, ROWS), problem.classes - 1)
        signal = (
            np.eye(problem.classes)[target] if problem.kind == "multiclass" else 2.0 * target[:, None] - 1
        )
        raw = np.round(signal + rng.normal(size=(networks, ROWS, problem.output_dim)), 1) + 0.01
    return torch.as_tensor(raw, dtype=torch.float32), torch.as_tensor(
        target, dtype=torch.float32 if problem.kind == "regression" else torch.int64
    )


def probabilities(raw: np.ndarray) -> np.ndarray:
    if raw.shape[-1] == 1:
        positive = expit(raw.astype(np.float64))
        return np.concatenate([1 - positive, positive], axis=-1)
    return softmax(raw.astype(np.float64), axis=-1)


def area(target: np.ndarray, raw: np.ndarray) -> float:
    chances = probabilities(raw)
    if raw.shape[-1] == 1:
        return reference.roc_auc_score(target, chances[:, 1])
    return reference.roc_auc_score(target, chances, multi_class="ovr", average="macro")


def calibration(target: np.ndarray, raw: np.ndarray) -> float:
    chances = torch.as_tensor(probabilities(raw))
    return float(multiclass_calibration_error(chances, torch.as_tensor(target), chances.shape[1], n_bins=15))


def chosen(raw: np.ndarray) -> np.ndarray:
    return probabilities(raw).argmax(-1)


# In the metric's own sense, from scikit-learn; the calibration error from torchmetrics.
REFERENCES = {
    "error": lambda y, raw: 1 - reference.accuracy_score(y, chosen(raw)),
    "balanced_error": lambda y, raw: 1 - reference.balanced_accuracy_score(y, chosen(raw)),
    "macro_f1": lambda y, raw: reference.f1_score(y, chosen(raw), average="macro"),
    "auroc": area,
    "nll": lambda y, raw: reference.log_loss(y, probabilities(raw)),
    "ece": calibration,
    "mse": reference.mean_squared_error,
    "mae": reference.mean_absolute_error,
    "r2": reference.r2_score,
    "pinball": reference.mean_pinball_loss,
    "pinball(0.9)": lambda y, raw: reference.mean_pinball_loss(y, raw, alpha=0.9),
}
CASES = [
    (name, kind)
    for kind in PROBLEMS
    for name in [*metrics_for(kind), "pinball(0.9)"]
    if not check_metric(name, kind)
]


def test_every_metric_has_a_reference():
    assert set(REFERENCES) == {*METRICS, "pinball(0.9)"}
    assert {name for name, _ in CASES} == set(REFERENCES)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_network_s_metric_equals_the_reference(name, kind):
    raw, target = draw(PROBLEMS[kind])
    metric = get_metric(name, PROBLEMS[kind])
    values = metric.values(raw, target)
    expected = [REFERENCES[name](target.numpy(), each.numpy()) for each in raw]
    assert values.shape == (5,)
    assert len(set(np.round(expected, 6))) > 1
    assert [metric.shown(float(value)) for value in values] == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_lower_is_better_inside_whatever_the_metric_s_own_sense(name, kind):
    problem = PROBLEMS[kind]
    _, target = draw(problem)
    if kind == "regression":
        perfect, poor = target, target + 1.7
    else:
        perfect = (
            torch.nn.functional.one_hot(target).float() if kind == "multiclass" else target[:, None].float()
        )
        perfect = 60 * (perfect - 0.5)
        poor = -perfect
    values = get_metric(name, problem).values(torch.stack([perfect, poor]), target)
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[1] > values[0]


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_network_with_a_non_finite_output_gets_infinity_and_its_neighbours_keep_their_bits(name, kind, bad):
    raw, target = draw(PROBLEMS[kind])
    metric = get_metric(name, PROBLEMS[kind])
    before = metric.values(raw, target)
    raw[2, 7, 0] = bad
    after = metric.values(raw, target)
    assert after[2] == torch.inf
    others = [0, 1, 3, 4]
    assert torch.equal(after[others], before[others])


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_contributions_of_rows_average_to_the_metric_where_it_is_a_mean(name, kind):
    raw, target = draw(PROBLEMS[kind])
    raw[1, 0, 0] = torch.nan
    metric = get_metric(name, PROBLEMS[kind])
    rows = metric.per_row(raw, target)
    if name in {"balanced_error", "macro_f1", "auroc", "ece", "r2"}:
        assert rows is None
    else:
        assert rows is not None
        assert rows.shape == (5, ROWS)
        assert torch.equal(rows.mean(1), metric.values(raw, target))


def test_error_by_row_is_that_row_s_mistake():
    raw = torch.tensor([[[3.0, 0.0], [0.0, 2.0]], [[0.0, 3.0], [0.0, 2.0]]])
    problem = Problem("multiclass", (1,), 2, "cross_entropy", "error")
    assert get_metric("error", problem).per_row(raw, torch.tensor([0, 0])).tolist() == [[0, 1], [1, 1]]


def test_an_overflow_is_infinite_and_not_nan():
    raw = torch.full((1, ROWS, 2), 3e38)
    assert get_metric("mse", REGRESSION).values(raw, draw(REGRESSION)[1]).tolist() == [float("inf")]


def test_auroc_averages_over_the_classes_that_occur():
    raw, target = draw(MULTICLASS, networks=1)
    target = target.clamp(max=2)
    chances = probabilities(raw[0].numpy())
    each = [reference.roc_auc_score(target.numpy() == c, chances[:, c]) for c in range(3)]
    assert get_metric("auroc", MULTICLASS).values(raw, target).item() == pytest.approx(1 - np.mean(each))


@pytest.mark.parametrize(
    ("name", "problem", "target"),
    [("auroc", BINARY, torch.ones(ROWS, dtype=torch.int64)), ("r2", REGRESSION, torch.ones(ROWS, 2))],
)
def test_a_metric_that_the_targets_leave_undefined_says_so(name, problem, target):
    with pytest.raises(EvaluationError, match=f"{name} needs .* all {ROWS} rows"):
        get_metric(name, problem).values(draw(problem)[0], target)


def test_targets_of_a_wrong_shape_are_refused_and_not_broadcast():
    with pytest.raises(EvaluationError, match=r"\(5, 60, 2\).*\(60,\)"):
        get_metric("mse", REGRESSION).values(draw(REGRESSION)[0], torch.zeros(ROWS))


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("eror", "multiclass", "Did you mean 'error'"),
        ("mse", "binary", "'mse' is for regression tasks and this one is binary; use error"),
        ("auroc", "regression", "is for multiclass and binary tasks .* use mse, mae, r2, pinball"),
        ("pinball(1.5)", "regression", "between 0 and 1"),
        ("pinball(x)", "regression", "between 0 and 1"),
        ("pinball(0.9)", "binary", "is for regression"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_with_those_that_do(name, kind, said):
    with pytest.raises(RecipeError, match=said):
        get_metric(name, PROBLEMS[kind])


@pytest.fixture
def user_module(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[str, Path]:
    name = f"metrics_of_{request.node.name.replace('[', '_').replace(']', '')}"
    (tmp_path / f"{name}.py").write_text(
        "def largest(raw, target):\n"
        "    return float((raw - target).abs().max())\n"
        "def hits(raw, target):\n"
        "    return (raw.argmax(-1) == target).float().mean()\n"
        "hits.lower_is_better = False\n"
        "def broken(raw, target):\n"
        "    return {}['x']\n"
        "number = 3\n"
    )
    return name, tmp_path


def test_a_function_by_import_path_is_a_metric(user_module):
    module, folder = user_module
    raw, target = draw(REGRESSION)
    metric = get_metric(f"{module}:largest", REGRESSION, folder)
    expected = [float((each - target).abs().max()) for each in raw]
    assert metric.values(raw, target).tolist() == pytest.approx(expected)
    assert metric.per_row(raw, target) is None


def test_a_function_s_own_sense_is_its_attribute_and_it_survives_pickling(user_module):
    module, folder = user_module
    raw, target = draw(MULTICLASS)
    metric = pickle.loads(pickle.dumps(get_metric(f"{module}:hits", MULTICLASS, folder)))
    assert not metric.lower_is_better
    assert torch.allclose(metric.values(raw, target), get_metric("error", MULTICLASS).values(raw, target))


def test_a_function_that_fails_is_named(user_module):
    module, folder = user_module
    metric = get_metric(f"{module}:broken", REGRESSION, folder)
    with pytest.raises(EvaluationError, match=r"broken' failed .*KeyError.*must return one number"):
        metric.values(*draw(REGRESSION))


@pytest.mark.parametrize(
    ("path", "said"), [("number", "expected a function"), ("nothing", "has no 'nothing'")]
)
def test_an_import_path_to_no_function_is_refused(user_module, path, said):
    module, folder = user_module
    with pytest.raises(RecipeError, match=said):
        get_metric(f"{module}:{path}", REGRESSION, folder)
