"""What a comparison says of ten units whose values are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from automl_loss.comparison.analysis import analyse
from automl_loss.comparison.cell import CellRecord
from automl_loss.comparison.recipe import Cell, load_comparison
from automl_loss.comparison.tables import to_latex, to_markdown
from automl_loss.final.statistics import corrected_t

ROWS = {
    "wine": {"train": 60, "validation": 20, "test": 20, "drawn_afresh": False},
    "fresh": {"train": 60, "validation": 20, "test": 20, "drawn_afresh": True},
}
COMPARISON = load_comparison(
    {
        "name": "known",
        "compare": {
            "control": "evomal",
            "strategies": ["evomal", "random", "gp-lfl"],
            "tasks": ["wine", {"label": "fresh", "name": "wine", "label_noise": 0.2}],
            "models": ["linear"],
            "seeds": 10,
        },
    }
)
NOISE = np.random.default_rng(1).normal(0, 0.01, (2, 3, 10))
# By strategy, what is added to a task loss of 0.30: evomal is far better than random and worse than gp-lfl.
EFFECT = {"evomal": 0.0, "random": 0.1, "gp-lfl": -0.1}


def value(cell: Cell) -> float:
    """The known test error of a cell."""
    place = COMPARISON.tasks.index(cell.task), COMPARISON.strategies.index(cell.strategy), cell.seed
    return 0.3 + EFFECT[cell.strategy] + float(NOISE[place])


def record(cell: Cell) -> CellRecord:
    """A finished cell that chose by exactly what it is judged on."""
    test = value(cell)
    data = {
        "status": "done", "metric": "error", "lower_is_better": True, "rows": ROWS[cell.task], "test": test,
        "task_loss": 0.3, "fitness": test, "search_fitness": -test, "task_loss_fitness": 0.0,
        "task_loss_lr_tried": [[0.1, 0.3], [0.01, 0.4]],
    }  # fmt: skip
    return CellRecord(cell, data)


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return analyse(COMPARISON, [record(cell) for cell in COMPARISON.cells])


def differences(task: str, other: str) -> list[float]:
    """Of evomal and another, by unit."""
    found = {(cell.strategy, cell.seed): value(cell) for cell in COMPARISON.cells if cell.task == task}
    return [found["evomal", seed] - found[other, seed] for seed in range(10)]


def row(data: dict[str, Any], task: str, other: str) -> dict[str, Any]:
    """Of the primary family."""
    (found,) = [r for r in data["primary"] if (r["task"], r["against"]) == (task, other)]
    return dict(found)


def test_the_control_is_better_where_its_error_is_lower_and_worse_where_it_is_higher(
    data: dict[str, Any],
) -> None:
    for task in ("wine", "fresh"):
        assert row(data, task, "random")["verdict"] == "better"
        assert row(data, task, "gp-lfl")["verdict"] == "worse"
        assert row(data, task, "random")["mean"] == pytest.approx(np.mean(differences(task, "random")))
    assert sum("evomal is better than random" in line for line in data["sentences"]) == 2
    assert sum("evomal is worse than gp-lfl" in line for line in data["sentences"]) == 2


def test_resplits_are_tested_with_the_correction_and_fresh_draws_by_wilcoxon(data: dict[str, Any]) -> None:
    resplit, fresh = row(data, "wine", "random"), row(data, "fresh", "random")
    assert resplit["p"] == pytest.approx(corrected_t(differences("wine", "random"), 20 / 80).p)
    assert resplit["p"] > 5 * stats.ttest_1samp(differences("wine", "random"), 0).pvalue
    assert fresh["p"] == pytest.approx(stats.wilcoxon(differences("fresh", "random")).pvalue)
    assert (resplit["test"], fresh["ci95"]) == ("Nadeau-Bengio corrected t test", None)


def test_p_values_are_holm_s_over_the_whole_primary_family(data: dict[str, Any]) -> None:
    raw = sorted(r["p"] for r in data["primary"])
    assert len(raw) == 4
    steps = np.maximum.accumulate([p * (4 - i) for i, p in enumerate(raw)])
    assert sorted(r["p_holm"] for r in data["primary"]) == pytest.approx(list(steps))
    assert len(data["exploratory"]) == 6
    assert {r["verdict"] for r in data["exploratory"] if r["strategy"] == "evomal"} == {
        "no difference supported"
    }


def test_over_settings_values_are_relative_to_the_task_loss(data: dict[str, Any]) -> None:
    methods = data["over_tasks"]["methods"]
    for name, effect in EFFECT.items():
        assert methods[name]["interquartile_mean"] == pytest.approx(1 + effect / 0.3, abs=0.03)
    better = {r["against"]: r for r in data["over_tasks"]["against_control"]}
    assert better["random"]["probability_of_improvement"] == 1
    assert better["gp-lfl"]["probability_of_improvement"] == 0
    assert better["random"]["p"] == 0.5  # two settings can say no more


def test_tau_tells_a_fitness_that_agrees_from_one_that_is_upside_down(data: dict[str, Any]) -> None:
    for found in data["kendall_tau"]:
        assert (found["cells"], found["fitness"], found["search_fitness"]) == (
            30,
            pytest.approx(1),
            pytest.approx(-1),
        )


def test_tables_mark_who_differs_from_the_control(data: dict[str, Any]) -> None:
    (line,) = [line for line in to_latex(data).splitlines() if line.startswith("wine")]
    cells = line.split(" & ")
    assert ("$^" in cells[2], cells[3].count("$^{-}$"), cells[4].count("$^{+}$")) == (False, 1, 1)
    text = to_markdown(data)
    assert "| wine, linear | 30 | -1.00 | 1.00 |" in text
    assert f"| wine, linear | evomal | random | {row(data, 'wine', 'random')['mean']:+.3g} |" in text
