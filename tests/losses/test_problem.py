"""Kinds of problems."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from automl_loss.losses import Problem


def test_two_classes_are_binary_with_one_logit() -> None:
    problem = Problem.classification((3,), 2)
    assert (problem.kind, problem.output_dim, problem.classes) == ("binary", 1, 2)
    assert problem.task_loss == "binary_cross_entropy"
    assert problem.is_classification


def test_more_classes_have_one_output_each() -> None:
    problem = Problem.classification((1, 8, 8), 10, metric="nll")
    assert (problem.kind, problem.output_dim, problem.classes) == ("multiclass", 10, 10)
    assert (problem.task_loss, problem.metric, problem.input_shape) == ("cross_entropy", "nll", (1, 8, 8))


def test_regression_has_no_classes() -> None:
    problem = Problem.regression((3,), outputs=2)
    assert (problem.kind, problem.output_dim, problem.classes) == ("regression", 2, 0)
    assert (problem.task_loss, problem.metric) == ("mse", "mse")
    assert not problem.is_classification


def test_a_problem_comes_back_from_json() -> None:
    problem = replace(Problem.classification((1, 8, 8), 3, "macro_f1"), class_prior=(0.5, 0.3, 0.2))
    assert Problem.from_json(json.loads(json.dumps(asdict(problem)))) == problem
