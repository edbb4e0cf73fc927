"""A metric that is not finite on test rows, found after a whole search: a part of the verdict, and no error."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.recipes import tiny

from automl_loss import HandcraftedLoss, Loss, Problem, Trained, run, task_loss
from automl_loss.cli import main
from automl_loss.engine.metrics.metric import get_metric
from automl_loss.final.learning_rate import Selection
from automl_loss.final.result import test_json as content_of
from automl_loss.final.retraining import Contestant, Retrained, _Judge
from automl_loss.final.verdict import verdict
from automl_loss.plugins.task import Split

REGRESSION = Problem.regression((2,))
PICK = Selection(0.1, 0.2, ())
ROWS = 20


def trained(output: np.ndarray) -> Trained:
    return Trained(0.1, 0.1, 1, (), (), 1, 0.0, output.astype(np.float32), output.astype(np.float32))


def judged(metric: str, problem: Problem, y: np.ndarray, found: list[np.ndarray], usual: list[np.ndarray]):
    """Contestants of given outputs, the result's `test` section and the verdict."""
    measure = get_metric(metric, problem)
    judge = _Judge(measure, Split(np.zeros((len(y), 2)), y), problem.is_classification)
    losses: dict[str, Loss] = {"task_loss": task_loss(problem), "found": HandcraftedLoss("mae", "regression")}
    contestants: dict[str, Contestant] = {
        name: judge.contestant(losses[name], PICK, [trained(each) for each in outputs])
        for name, outputs in (("task_loss", usual), ("found", found))
    }
    differences = [judge.differences(contestants, at, 0) for at in ("best", "last")]
    retrained = Retrained(contestants, *differences)
    said = verdict(retrained, "found", measure, problem.task_loss)
    return json.loads(json.dumps(content_of(retrained, "found", measure, said), allow_nan=False)), said


def outputs(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, 1))


def spoiled(seed: int, value: float, *rows: int) -> np.ndarray:
    output = outputs(seed)
    output[list(rows)] = value
    return output


Y = np.random.default_rng(9).normal(size=(ROWS, 1))


@pytest.mark.parametrize("metric", ["mse", "mae", "r2", "pinball(0.9)"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_network_that_is_not_finite_on_test_rows_loses_and_no_number_is_made_up(
    metric: str, value: float
) -> None:
    found = [spoiled(0, value, 3, 4), spoiled(1, value, 4, 5), outputs(2)]
    test, said = judged(metric, REGRESSION, Y, found, [outputs(3), outputs(4), outputs(5)])
    assert "Keep the squared error: the test metric of the found loss is not finite on 3 test rows" in said
    assert test["learned"]["values"][:2] == [None, None]
    assert isinstance(test["learned"]["values"][2], float)
    assert (test["learned"]["mean"], test["learned"]["std"], test["learned"]["not_finite_rows"]) == (
        None,
        None,
        3,
    )
    assert isinstance(test["task_loss"]["mean"], float)
    assert "not_finite_rows" not in test["task_loss"]
    assert (test["difference"]["mean"], test["difference"]["ci95"]) == (None, [None, None])
    assert test["difference"]["test"] == "none: the metric is not finite on 3 of 20 test rows"


@pytest.mark.parametrize("target", [np.nan, np.inf, 1e30])
def test_a_target_that_no_network_can_meet_leaves_both_without_a_value(target: float) -> None:
    y = Y.copy()
    y[7] = target
    test, said = judged("mse", REGRESSION, y, [outputs(0), outputs(1)], [outputs(2), outputs(3)])
    assert said.startswith(
        "Nothing is said of the found loss: the test metric of the squared error is not finite"
    )
    assert "on 1 test row (" in said
    assert test["learned"]["mean"] is None
    assert test["task_loss"]["mean"] is None


def test_a_huge_target_whose_metric_is_finite_is_judged_as_any_other() -> None:
    y = Y.copy()
    y[7] = 1e30
    test, _ = judged("mae", REGRESSION, y, [outputs(0), outputs(1)], [outputs(2), outputs(3)])
    assert test["learned"]["mean"] == pytest.approx(1e30 / ROWS, rel=1e-5)
    assert test["difference"]["mean"] is not None


@pytest.mark.parametrize("metric", ["error", "nll", "balanced_error", "macro_f1", "auroc", "ece"])
def test_classes_are_judged_likewise(metric: str) -> None:
    problem, y = Problem.classification((2,), 3), np.arange(ROWS) % 3
    rng = np.random.default_rng(0)
    raw = [rng.normal(size=(ROWS, 3)) for _ in range(4)]
    raw[0][2, 1] = np.inf
    test, said = judged(metric, problem, y, raw[:2], raw[2:])
    assert "Keep cross-entropy: the test metric of the found loss is not finite on 1 test row" in said
    assert test["learned"]["values"][0] is None
    assert math.isfinite(test["learned"]["values"][1])


def test_finite_values_are_untouched() -> None:
    measure = get_metric("mse", REGRESSION)
    raw, target = torch.randn(3, ROWS, 1), torch.randn(ROWS, 1)
    assert not measure.unfit_rows(raw, target).any()


TASK = """
import numpy as np
from automl_loss import PluginConfig, Problem, Split, Splits, Task


class Line(Task):
    \"\"\"A line, whose test rows hold what the option says.\"\"\"

    class Config(PluginConfig):
        spoil: str

    def problem(self):
        return Problem.regression((2,))

    def _rows(self, part):
        x = np.random.default_rng(part).normal(size=(30, 2)).astype("float32")
        return Split(x, x[:, :1] * 2)

    def splits(self, seed):
        return Splits(self._rows(1), self._rows(2))

    def test(self, seed):
        rows = self._rows(3)
        if self.config.spoil == "inputs":
            rows.x[4:6] = np.nan
        else:
            rows.y[4:6] = 1e30
        return rows
"""


@pytest.mark.parametrize("spoil", ["inputs", "targets"])
def test_a_run_whose_test_rows_are_bad_ends_with_a_verdict_and_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spoil: str
) -> None:
    module = f"not_finite_{spoil}"
    (tmp_path / f"{module}.py").write_text(TASK)
    monkeypatch.chdir(tmp_path)
    recipe: dict[str, Any] = tiny(
        task={"import": f"{module}:Line", "spoil": spoil},
        strategy={"name": "handcrafted"},
        budget={"candidates": 2},
    )
    result = run(recipe, directory=tmp_path / "run", report=spoil == "inputs")
    assert "not finite on 2 test rows" in result.verdict
    data = json.loads(
        (tmp_path / "run" / "result.json").read_text(), parse_constant=lambda name: pytest.fail(name)
    )
    assert data["test"]["task_loss"]["not_finite_rows"] == 2
    if spoil == "inputs":
        assert "not finite on 2 test rows" in (tmp_path / "run" / "report.html").read_text()
        (tmp_path / "r.yaml").write_text(json.dumps(recipe))
        capsys.readouterr()
        assert main(["run", "r.yaml", "-o", "run", "--resume", "--no-report"]) == 0
        assert "not finite on 2 test rows" in capsys.readouterr().out
