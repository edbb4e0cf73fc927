from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from support.recipes import tiny

from autoloss_tasks.sklearn_tasks import Wine
from automl_loss import (
    NoValidCandidateError,
    PluginError,
    Progress,
    RecipeError,
    Result,
    Task,
    load_loss,
    run,
)
from automl_loss.engine.engine import Engine
from automl_loss.search import from_recipe
from automl_loss.search.leakage import Common, look
from automl_loss.search.progress import OVERHEAD, STAGES

KEYS = {
    "schema", "name", "seed", "strategy", "evaluator", "task", "model", "best", "test", "search", "versions",
}  # fmt: skip
SEARCH_KEYS = {
    "candidates", "evaluated", "cached", "rejected", "diverged", "pruned", "failed", "seconds", "profile",
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, list[Progress]]:
    seen: list[Progress] = []
    folder = tmp_path_factory.mktemp("run") / "tiny"
    return run(tiny(), seen.append, directory=folder), seen


def test_result_json_has_every_key_of_its_contract(finished: tuple[Result, list[Progress]]) -> None:
    data = json.loads((finished[0].directory / "result.json").read_text())
    assert set(data) >= KEYS
    assert data["schema"] == 1
    assert set(data["search"]) >= SEARCH_KEYS
    assert set(data["best"]) >= {"trial", "expression", "latex", "fitness", "scale"}
    test = data["test"]
    assert set(test) >= {
        "metric",
        "lower_is_better",
        "learned",
        "task_loss",
        "difference",
        "last_step",
        "verdict",
    }
    assert set(test["learned"]) >= {"mean", "std", "values", "lr"}
    assert set(test["difference"]) >= {"mean", "ci95", "p_value", "test"}
    assert len(test["learned"]["values"]) == len(test["task_loss"]["values"]) == 3
    assert test["learned"]["mean"] == pytest.approx(np.mean(test["learned"]["values"]))


def test_outcomes_of_all_statuses_add_up_to_the_candidates(finished: tuple[Result, list[Progress]]) -> None:
    search = finished[0].data["search"]
    statuses = ("evaluated", "cached", "rejected", "diverged", "pruned", "failed")
    assert sum(search[status] for status in statuses) == search["candidates"] == len(finished[0].outcomes) - 1
    assert search["evaluated"] > 0


def test_the_profile_says_where_every_second_of_the_search_went(
    finished: tuple[Result, list[Progress]],
) -> None:
    search = finished[0].data["search"]
    profile = search["profile"]
    assert tuple(profile) == STAGES
    assert search["workers"] == 1
    assert sum(profile.values()) == pytest.approx(search["seconds"], rel=0.01)
    for stage in ("training", "kernels", "tuning", "filters", "strategy", "ledger", "table"):
        assert profile[stage] > 0, stage
    assert search["overhead"] == pytest.approx(sum(profile[s] for s in OVERHEAD) / sum(profile.values()))
    assert set(finished[0].data["phases"]) == {
        "learning_rate", "search", "handcrafted", "finalists", "retraining",
    }  # fmt: skip


def test_best_loss_py_is_the_loss_of_best_loss_json(finished: tuple[Result, list[Progress]]) -> None:
    folder = finished[0].directory
    spec = importlib.util.spec_from_file_location("best_loss", folder / "best_loss.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    raw, target = torch.randn(7, 3, dtype=torch.float64), torch.randint(0, 3, (7,))
    torch.testing.assert_close(
        module.LearnedLoss()(raw, target), load_loss(folder)(raw, target), rtol=1e-6, atol=1e-9
    )


def test_the_leaderboard_is_in_order_and_holds_the_task_loss(finished: tuple[Result, list[Progress]]) -> None:
    with (finished[0].directory / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    fitness = [float(row["fitness"]) for row in rows if row["fitness"]]
    assert fitness == sorted(fitness)
    assert [row["expression"] for row in rows if row["id"] == "0"] == ["cross_entropy"]


def test_progress_tells_of_every_stage_and_ends_with_the_verdict(
    finished: tuple[Result, list[Progress]],
) -> None:
    result, seen = finished
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["search", "handcrafted", "finalists", "retraining_rate", "retraining", "done"]
    assert seen[-1].message == result.verdict
    assert [p.generation for p in seen if p.generation_done] == [0, 1, 2]


def test_test_rows_are_reached_once_after_every_choice_and_before_that_for_their_digests_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def watched_look(task: Task, seed: int) -> list[Common]:
        events.append("look")
        found = look(task, seed)
        # Counts alone come out of it.
        assert all(type(value) in (str, int, float) for common in found for value in vars(common).values())
        events.append("looked")
        return found

    monkeypatch.setattr(from_recipe, "look", watched_look)
    original_test, original_train = Wine.test, Engine.train

    def watched_test(self: Wine, seed: int) -> Any:
        events.append("test")
        return original_test(self, seed)

    def watched_train(self: Engine, *args: Any, **options: Any) -> Any:
        events.append("train with test rows" if options.get("test") is not None else "train")
        return original_train(self, *args, **options)

    monkeypatch.setattr(Wine, "test", watched_test)
    monkeypatch.setattr(Engine, "train", watched_train)
    run(tiny(), directory=tmp_path / "run")
    assert events[:3] == ["look", "test", "looked"]
    events = events[3:]
    assert events.count("test") == 1
    reached = events.index("test")
    assert "train" in events[:reached]
    assert "train with test rows" not in events[:reached]
    assert set(events[reached + 1 :]) == {"train with test rows"}


def test_finalists_on_rows_drawn_anew_are_trained_on_no_row_of_the_test_split_and_judged_on_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated: dict[str, set[bytes]] = {}
    original = Engine.train

    def watched(self: Engine, lanes: Any, *args: Any, **options: Any) -> Any:
        for how in dict.fromkeys(lane.rows for lane in lanes):
            trainer = self._trainer(how)
            rows = {row.numpy().tobytes() for row in trainer.validation.x}
            assert not rows & {row.numpy().tobytes() for row in trainer.train.x}
            validated.setdefault(str(how), rows)
        return original(self, lanes, *args, **options)

    monkeypatch.setattr(Engine, "train", watched)
    given = {**tiny(), "finalists": {**tiny()["finalists"], "redraw": True, "seeds": 2}}
    result = run(given, directory=tmp_path / "run")
    assert list(validated) == ["None", "0", "1"]
    assert len({frozenset(rows) for rows in validated.values()}) == 3
    task = Wine(Wine.Config())
    test = {row.tobytes() for row in np.asarray(task.test(0).x)}
    assert not any(rows & test for rows in validated.values())
    assert result.data["test"]["learned"]["mean"] is not None


def test_a_task_without_test_rows_is_refused_before_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(self: Wine, seed: int) -> Any:
        raise AssertionError("there are none")

    monkeypatch.setattr(Wine, "test", none)
    with pytest.raises(
        PluginError, match="failed in the making of its test rows: AssertionError: there are none"
    ):
        run(tiny(), directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_search_whose_test_rows_are_gone_meanwhile_ends_after_every_choice_and_names_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = Wine.test, []

    def once(self: Wine, seed: int) -> Any:
        calls.append(seed)
        if len(calls) > 1:
            raise AssertionError("the search reached for the test rows")
        return original(self, seed)

    monkeypatch.setattr(Wine, "test", once)
    seen: list[str] = []
    with pytest.raises(
        PluginError, match=r"task Wine .* AssertionError: the search reached for the test rows"
    ):
        run(tiny(), lambda progress: seen.append(progress.stage), directory=tmp_path / "run")
    assert "retraining_rate" in seen
    assert "retraining" not in seen


def test_splits_depend_on_the_run_seed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    original = Wine.splits

    def watched(self: Wine, seed: int) -> Any:
        asked.append(seed)
        return original(self, seed)

    monkeypatch.setattr(Wine, "splits", watched)
    run(tiny(seed=7), directory=tmp_path / "run")
    assert set(asked) == {7}


def test_the_same_recipe_gives_the_same_result_bit_for_bit(
    finished: tuple[Result, list[Progress]], tmp_path: Path
) -> None:
    again = run(tiny(), directory=tmp_path / "again")
    assert again.loss == finished[0].loss
    assert again.data["test"] == finished[0].data["test"]
    assert {i: (o.status, o.fitness, o.loss) for i, o in again.outcomes.items()} == {
        i: (o.status, o.fitness, o.loss) for i, o in finished[0].outcomes.items()
    }


@pytest.mark.parametrize("strategy", ["evomal", "gp-lfl", "random", "handcrafted", "parametric", "taylorglo"])
@pytest.mark.parametrize("task", ["wine", "diabetes", "breast_cancer"])
def test_every_strategy_runs_on_every_kind_of_problem(strategy: str, task: str, tmp_path: Path) -> None:
    options = {
        "handcrafted": {},
        "taylorglo": {"population": 40, "generations": 2, "degree": 2},
    }.get(strategy, {"population": 15, "generations": 2})
    result = run(
        tiny(task={"name": task}, strategy={"name": strategy, **options}), directory=tmp_path / "run"
    )
    assert result.data["strategy"] == strategy
    assert np.isfinite(result.data["test"]["learned"]["mean"])


@pytest.mark.parametrize("metric", ["auroc", "nll", "balanced_error"])
def test_metrics_are_shown_in_their_own_sense(metric: str, tmp_path: Path) -> None:
    result = run(tiny(task={"name": "breast_cancer", "metric": metric}), directory=tmp_path / "run")
    test = result.data["test"]
    assert test["metric"] == metric
    assert test["lower_is_better"] is (metric != "auroc")
    if metric == "auroc":
        assert test["task_loss"]["mean"] > 0.8


def test_the_budget_cuts_the_last_generation_in_order(tmp_path: Path) -> None:
    result = run(tiny(budget={"candidates": 4}, filters={"rejection": False}), directory=tmp_path / "run")
    trained = [o.id for o in result.outcomes.values() if o.status.value in ("evaluated", "diverged") and o.id]
    assert len(trained) == 4
    assert sorted(result.outcomes) == list(range(len(result.outcomes)))
    assert "budget of 4 candidates" in result.data["search"]["ended"]


def test_a_search_that_finds_nothing_says_so(tmp_path: Path) -> None:
    settings = tiny(filters={"rejection_threshold": 10.0})
    with pytest.raises(NoValidCandidateError, match=r"none of .* candidates trained"):
        run(settings, directory=tmp_path / "run")
    assert (tmp_path / "run" / "leaderboard.csv").exists()


def test_options_that_do_not_fit_the_task_are_found_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"task.label_noise.*outliers"):
        run(tiny(task={"name": "diabetes", "label_noise": 0.2}), directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


FAULTY = """
from automl_loss import SearchStrategy


class Faulty(SearchStrategy):
    \"\"\"Fails in ask.\"\"\"

    plugin_api = 1

    def ask(self):
        {body}

    def tell(self, outcomes):
        pass
"""


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ("raise ValueError('no idea')", PluginError, "strategy Faulty .* failed in ask .*no idea.*--resume"),
        ("raise SystemExit(7)", PluginError, "failed in ask .*SystemExit"),
        ("return None", PluginError, "returned None from ask; expected a list"),
        ("return []", NoValidCandidateError, "asked for no candidate at all"),
    ],
)
def test_a_faulty_strategy_is_named(body: str, error: type[Exception], said: str, tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY.format(body=body))
    plugin = {"kind": "strategy", "name": "faulty", "path": f"{tmp_path}/faulty.py:Faulty"}
    with pytest.raises(error, match=said):
        run(tiny(plugins=[plugin], strategy={"name": "faulty"}), directory=tmp_path / "run")


def test_retraining_has_milestones_of_its_own(tmp_path: Path) -> None:
    def tested(name: str, retraining: dict[str, Any]) -> list[float]:
        recipe = tiny(retraining={"seeds": 2, "steps": 40, "lr": 0.05, **retraining})
        return list(run(recipe, directory=tmp_path / name).data["test"]["task_loss"]["last_step"]["values"])

    assert tested("none", {}) == tested("empty", {"milestones": []})
    assert tested("early", {"milestones": [0.025]}) != tested("late", {"milestones": [0.9]})


def test_clean_validation_rows_show_what_the_task_loss_does_with_them(tmp_path: Path) -> None:
    recipe = tiny(task={"name": "wine", "label_noise": 0.3, "clean_validation": True})
    first = run(recipe, directory=tmp_path / "run")
    test = first.data["test"]
    for name in ("task_loss_on_validation", "task_loss_on_both"):
        entry = test["others"][name]
        assert entry["loss"] == "cross_entropy"
        assert len(entry["values"]) == 3
        assert entry["values"] != test["task_loss"]["values"]
        assert entry["difference"]["ci95"]
    assert "on the clean validation rows alone" in first.verdict
    assert "on the clean" not in run(tiny(), directory=tmp_path / "other").verdict
    again = run(recipe, directory=tmp_path / "run", resume=True, report=True)
    assert again.data["test"]["others"] == test["others"]
    assert "clean rows alone" in (tmp_path / "run" / "report.html").read_text()


def test_relative_paths_start_where_the_recipe_lies_on_the_first_run_and_on_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    rows = "\n".join(f"{i % 7},{i * 37 % 11},{'ab'[i % 2]}" for i in range(90))
    (tmp_path / "project" / "rows.csv").write_text(f"first,second,label\n{rows}\n")
    (tmp_path / "project" / "nets.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Linear):\n"
        "    def __init__(self, in_features, num_classes):\n        super().__init__(in_features, 1)\n"
    )
    data = tiny() | {"task": {"name": "table", "file": "rows.csv", "target": "label"}}
    data |= {"model": {"import": "nets:Net"}, "name": "own"}
    (tmp_path / "project" / "own.yaml").write_text(yaml.safe_dump(data))
    monkeypatch.chdir(tmp_path / "elsewhere")
    first = run(tmp_path / "project" / "own.yaml", directory="done")
    again = run("done/recipe.yaml", directory="done", resume=True)
    assert again.data["test"] == first.data["test"]
    assert f"folder: {tmp_path / 'project'}" in Path("done/recipe.yaml").read_text()
