from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import binom, chisquare

from automl_loss.engine.data.corruption import LabelNoise, TaskOptions, check_options, corrupt
from automl_loss.losses.problem import Problem
from automl_loss.plugins.task import Split, Splits

CLASSES = 5
MULTICLASS = Problem.classification((1,), CLASSES)
BINARY = Problem.classification((1,), 2)
REGRESSION = Problem.regression((1,), outputs=2)


def rows(count: int, problem: Problem, seed: int) -> Split:
    """Rows whose only feature is the row's number."""
    rng = np.random.default_rng(seed)
    x = np.arange(count, dtype=np.float32)[:, None]
    if problem.kind == "regression":
        return Split(x, (4 * rng.normal(size=(count, problem.output_dim))).astype(np.float32))
    return Split(x, rng.integers(0, problem.classes, count))


def clean(problem: Problem) -> Splits:
    return Splits(rows(2000, problem, 1), rows(1500, problem, 2))


def options(**given: object) -> TaskOptions:
    return TaskOptions.model_validate(given)


def changed(before: Split, after: Split) -> np.ndarray:
    different = before.y != after.y
    return different if different.ndim == 1 else different.any(1)


def within_chance(hits: int, count: int, rate: float) -> bool:
    low, high = binom.interval(0.9999, count, rate)
    return low <= hits <= high


@pytest.mark.parametrize("problem", [MULTICLASS, BINARY])
@pytest.mark.parametrize("kind", ["symmetric", "pair_flip"])
@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_labels_become_another_class_at_the_rate(problem, kind, rate):
    before = clean(problem)
    after = corrupt(before, options(label_noise={"rate": rate, "kind": kind}), problem, seed=0)
    for name in ("train", "validation"):
        split, noisy = getattr(before, name), getattr(after, name)
        # Were the same class among those drawn, fewer would differ: 0.32 instead of 0.4 with five classes.
        assert within_chance(changed(split, noisy).sum(), len(split), rate)
        assert noisy.y.dtype == split.y.dtype
        assert set(noisy.y) == set(range(problem.classes))
        assert np.array_equal(noisy.x, split.x)


def test_symmetric_noise_draws_every_other_class_alike():
    before = clean(MULTICLASS)
    after = corrupt(before, options(label_noise=0.6), MULTICLASS, seed=0)
    hit = changed(before.train, after.train)
    onward = (after.train.y[hit] - before.train.y[hit]) % CLASSES
    counts = np.bincount(onward, minlength=CLASSES)
    assert counts[0] == 0
    assert chisquare(counts[1:]).pvalue > 1e-4


def test_pair_flip_moves_to_the_next_class_and_the_last_to_the_first():
    before = clean(MULTICLASS)
    after = corrupt(before, options(label_noise={"rate": 0.3, "kind": "pair_flip"}), MULTICLASS, seed=0)
    hit = changed(before.train, after.train)
    pairs = set(zip(before.train.y[hit].tolist(), after.train.y[hit].tolist(), strict=True))
    assert pairs == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)}


def test_outliers_move_the_share_of_rows_by_three_to_ten_deviations_either_way():
    before = clean(REGRESSION)
    after = corrupt(before, options(outliers=0.2), REGRESSION, seed=0)
    deviation = before.train.y.std(0)
    for name in ("train", "validation"):
        split, far = getattr(before, name), getattr(after, name)
        hit = changed(split, far)
        moved = ((far.y - split.y) / deviation)[hit]
        assert within_chance(hit.sum(), len(split), 0.2)
        assert np.abs(moved).min() >= 2.999
        assert np.abs(moved).max() <= 10.001
        assert np.abs(moved).max() > 9
        assert within_chance((moved > 0).sum(), moved.size, 0.5)
        assert far.y.dtype == np.float32


@pytest.mark.parametrize("ratio", [0.5, 0.1, 0.01])
def test_imbalance_leaves_a_long_tail_in_training_alone(ratio):
    before = clean(MULTICLASS)
    after = corrupt(before, options(imbalance=ratio), MULTICLASS, seed=0)
    had = np.bincount(before.train.y)
    sizes = np.sort(np.bincount(after.train.y, minlength=CLASSES))[::-1]
    assert sizes[0] == had.max()
    assert sizes[-1] == round(had.max() * ratio)
    assert sizes / sizes[0] == pytest.approx(np.minimum(1, ratio ** (np.arange(CLASSES) / 4)), abs=0.1)
    assert np.array_equal(after.validation.y, before.validation.y)
    kept = after.train.x[:, 0].astype(int)
    assert np.array_equal(after.train.y, before.train.y[kept])
    assert (np.diff(kept) > 0).all()


def test_imbalance_makes_the_rarer_class_of_two_rarer():
    split = Split(np.zeros((300, 1), np.float32), np.repeat([0, 1], [100, 200]))
    after = corrupt(Splits(split, split), options(imbalance=0.1), BINARY, seed=0)
    assert np.bincount(after.train.y).tolist() == [20, 200]


def test_a_class_that_is_rarer_already_keeps_its_rows():
    split = Split(np.zeros((205, 1), np.float32), np.repeat([0, 1], [5, 200]))
    after = corrupt(Splits(split, split), options(imbalance=0.1), BINARY, seed=0)
    assert np.bincount(after.train.y).tolist() == [5, 200]


@pytest.mark.parametrize(
    ("problem", "given"), [(MULTICLASS, {"label_noise": 0.4}), (REGRESSION, {"outliers": 0.3})]
)
def test_clean_validation_spares_validation_and_changes_nothing_in_training(problem, given):
    before = clean(problem)
    dirty = corrupt(before, options(**given), problem, seed=0)
    spared = corrupt(before, options(**given, clean_validation=True), problem, seed=0)
    assert changed(before.validation, dirty.validation).any()
    assert not changed(before.validation, spared.validation).any()
    assert np.array_equal(spared.train.y, dirty.train.y)


@pytest.mark.parametrize(
    ("problem", "given"),
    [(MULTICLASS, {"label_noise": 0.4, "imbalance": 0.3}), (REGRESSION, {"outliers": 0.3})],
)
def test_corruption_is_a_function_of_the_seed(problem, given):
    before = clean(problem)
    first, again, other = (corrupt(before, options(**given), problem, seed) for seed in (0, 0, 1))
    for name in ("train", "validation"):
        assert np.array_equal(getattr(first, name).y, getattr(again, name).y)
        assert np.array_equal(getattr(first, name).x, getattr(again, name).x)
    assert not np.array_equal(first.train.y, other.train.y)
    assert not np.array_equal(first.validation.y, other.validation.y)


def test_imbalance_and_label_noise_leave_each_other_s_rows_as_they_are():
    before = clean(MULTICLASS)
    noisy = corrupt(before, options(label_noise=0.4), MULTICLASS, seed=0)
    rare = corrupt(before, options(imbalance=0.2), MULTICLASS, seed=0)
    both = corrupt(before, options(label_noise=0.4, imbalance=0.2), MULTICLASS, seed=0)
    kept = rare.train.x[:, 0].astype(int)
    assert len(kept) < len(before.train)
    assert np.array_equal(both.train.x, rare.train.x)
    assert np.array_equal(both.train.y, noisy.train.y[kept])


@pytest.mark.parametrize(("problem", "name"), [(MULTICLASS, "label_noise"), (REGRESSION, "outliers")])
def test_rows_hit_at_a_low_rate_are_hit_alike_at_a_high_one(problem, name):
    before = clean(problem)
    low, high = (corrupt(before, options(**{name: rate}), problem, seed=0).train for rate in (0.1, 0.4))
    hit = changed(before.train, low)
    assert 0 < hit.sum() < changed(before.train, high).sum()
    assert np.array_equal(low.y[hit], high.y[hit])


@pytest.mark.parametrize(
    ("problem", "given"),
    [(MULTICLASS, {"label_noise": 0.4, "imbalance": 0.2}), (REGRESSION, {"outliers": 0.4})],
)
def test_the_clean_arrays_are_not_written_to(problem, given):
    before, untouched = clean(problem), clean(problem)
    corrupt(before, options(**given), problem, seed=0)
    for name in ("train", "validation"):
        assert np.array_equal(getattr(before, name).y, getattr(untouched, name).y)
        assert np.array_equal(getattr(before, name).x, getattr(untouched, name).x)


def test_without_options_the_rows_are_as_they_were():
    before = clean(MULTICLASS)
    after = corrupt(before, TaskOptions(), MULTICLASS, seed=0)
    assert not changed(before.train, after.train).any()
    assert not changed(before.validation, after.validation).any()


@pytest.mark.parametrize(
    ("problem", "given", "said"),
    [
        (REGRESSION, {"label_noise": 0.4}, "label_noise: 0.4 needs classes .* use outliers"),
        (MULTICLASS, {"outliers": 0.1}, "outliers: 0.1 needs real targets .* use label_noise"),
        (REGRESSION, {"imbalance": 0.1}, "imbalance: 0.1 needs classes"),
        (REGRESSION, {"metric": "error"}, "metric: 'error' is for .* use mse"),
    ],
)
def test_an_option_that_does_not_fit_the_task_is_one_problem_with_a_remedy(problem, given, said):
    (found,) = check_options(options(**given), problem)
    assert re.match(said, found)


def test_options_that_fit_give_no_problem():
    assert check_options(options(label_noise=0.4, imbalance=0.1, metric="auroc"), BINARY) == []
    assert check_options(options(outliers=0.4, metric="pinball(0.9)"), REGRESSION) == []


def test_options_are_read_as_a_recipe_gives_them():
    assert options(label_noise=0.4).label_noise == LabelNoise(rate=0.4, kind="symmetric")
    assert options(label_noise=0).label_noise.rate == 0
    assert options(metric={"import": "mine:score"}).metric == "mine:score"
    dumped = options(label_noise=0.4, metric="nll", clean_validation=True).model_dump()
    assert TaskOptions.model_validate(dumped).model_dump() == dumped


@pytest.mark.parametrize(
    "given",
    [
        {"label_noise": 1.0},
        {"label_noise": -0.1},
        {"label_noise": "0.4"},
        {"label_noise": True},
        {"label_noise": {"rate": 0.1, "kind": "cyclic"}},
        {"outliers": 1.5},
        {"imbalance": 0.0},
        {"imbalance": 2.0},
        {"clean_validation": "yes"},
        {"metric": 3},
        {"metric": {"import": "nocolon"}},
        {"labelnoise": 0.1},
    ],
)
def test_a_wrong_option_is_one_error_at_its_place(given):
    with pytest.raises(ValidationError) as raised:
        options(**given)
    (error,) = raised.value.errors()
    assert error["loc"][0] == next(iter(given))


def test_the_json_schema_offers_both_forms_of_label_noise():
    schema = TaskOptions.model_json_schema()["properties"]["label_noise"]
    assert {"type": "number"} in schema["anyOf"]


def test_options_import_neither_torch_nor_optuna():
    code = "import sys, automl_loss.engine.data.corruption; print(sorted({'torch', 'optuna'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
