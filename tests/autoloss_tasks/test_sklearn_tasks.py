from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets

from autoloss_tasks.sklearn_tasks import BreastCancer, Diabetes, Digits, Wine

TASKS = {
    Digits: (datasets.load_digits, "multiclass", 64, 10),
    Wine: (datasets.load_wine, "multiclass", 13, 3),
    BreastCancer: (datasets.load_breast_cancer, "binary", 30, 1),
    Diabetes: (datasets.load_diabetes, "regression", 10, 1),
}
CLASSIFICATION = [Digits, Wine, BreastCancer]


@pytest.mark.parametrize("kind", TASKS)
def test_the_problem_has_the_data_set_s_shape(kind):
    _, name, features, outputs = TASKS[kind]
    problem = kind(kind.Config()).problem()
    assert (problem.kind, problem.input_shape, problem.output_dim) == (name, (features,), outputs)
    assert problem.metric == ("mse" if name == "regression" else "error")


@pytest.mark.parametrize("kind", TASKS)
def test_the_splits_hold_the_whole_data_set_once(kind):
    task = kind(kind.Config())
    splits = task.splits(7)
    parts = [splits.train, splits.validation, task.test(7)]
    rows = len(TASKS[kind][0]().target)
    assert sum(map(len, parts)) == rows
    assert [len(part) / rows for part in parts] == pytest.approx([0.6, 0.2, 0.2], abs=0.01)
    # Equal sizes and as many distinct rows: none is missing, none is in two splits.
    distinct = len(np.unique(TASKS[kind][0]().data, axis=0))
    assert len({bytes(row) for part in parts for row in part.x}) == distinct


@pytest.mark.parametrize("kind", TASKS)
def test_the_data_are_finite_and_scaled(kind):
    train = kind(kind.Config()).splits(0).train
    assert np.isfinite(train.x).all()
    if kind is Digits:
        assert (train.x.min(), train.x.max()) == (0, 1)
    else:
        assert train.x.mean(0) == pytest.approx(np.zeros(train.x.shape[1]), abs=1e-5)
        assert train.x.std(0) == pytest.approx(np.ones(train.x.shape[1]), abs=1e-5)


@pytest.mark.parametrize("kind", CLASSIFICATION)
def test_classes_keep_their_proportions(kind):
    task = kind(kind.Config())
    labels = TASKS[kind][0]().target
    whole = np.bincount(labels) / len(labels)
    splits = task.splits(2)
    for part in (splits.train, splits.validation, task.test(2)):
        # Half a row of rounding in each of the two cuts, and a little more.
        assert np.bincount(part.y) / len(part) == pytest.approx(whole, abs=1.5 / len(part))


@pytest.mark.parametrize("kind", TASKS)
def test_it_is_a_plugin_with_one_line_to_say_what_it_is(kind):
    assert kind.plugin_api == 1
    assert (kind.__doc__ or "").split("\n")[0].endswith(".")
    assert kind.Config().model_dump() == {}


def test_importing_the_tasks_reads_no_data():
    code = "import sys, autoloss_tasks.sklearn_tasks; print('sklearn' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
