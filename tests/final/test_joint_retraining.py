from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.recipes import tiny

from automl_loss import RecipeError, Result, load_recipe, run
from automl_loss.cli import main


def several(*tasks: Any, **changes: Any) -> dict[str, Any]:
    recipe = tiny(**changes)
    del recipe["task"]
    return {**recipe, "tasks": list(tasks) or [{"name": "wine", "label_noise": 0.2}, "iris"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(several(), directory=tmp_path_factory.mktemp("joint") / "run", report=True)


def test_one_loss_is_searched_for_all_tasks_and_judged_on_each(finished: Result) -> None:
    data = json.loads((finished.directory / "result.json").read_text())
    assert data["task"] == "wine, iris"
    assert list(data["tests"]) == ["wine", "iris"]
    for test in data["tests"].values():
        assert test["metric"] == "error"
        assert len(test["learned"]["values"]) == 3
    assert data["test"]["metric"] == "relative"
    assert data["test"]["task_loss"]["mean"] == pytest.approx(1.0)
    assert data["search"]["evaluated"] > 0


def test_every_task_gets_the_loss_at_its_own_scale(finished: Result) -> None:
    names = {file.name for file in finished.directory.glob("best_loss*.py")}
    assert names == {"best_loss.py", "best_loss-wine.py", "best_loss-iris.py"}
    assert (finished.directory / "report.html").exists()


def test_a_run_on_several_tasks_resumes_to_the_same(finished: Result, tmp_path: Path) -> None:
    again = run(several(), directory=tmp_path / "again")
    assert again.data["tests"] == finished.data["tests"]
    resumed = run(several(), directory=tmp_path / "again", resume=True)
    assert resumed.data["tests"] == finished.data["tests"]


def test_workers_share_the_work_and_change_no_bit(finished: Result, tmp_path: Path) -> None:
    two = run(several(executor={"name": "local", "workers": 2}), directory=tmp_path / "two")
    for key in ("tests", "test", "best", "finalists"):
        assert two.data[key] == finished.data[key]
    assert two.data["search"]["best_by_generation"] == finished.data["search"]["best_by_generation"]
    assert [replace(o, seconds=0.0) for o in two.outcomes.values()] == [
        replace(o, seconds=0.0) for o in finished.outcomes.values()
    ]
    for name in ("best_loss.json", "best_loss-wine.py", "best_loss-iris.py"):
        assert (two.directory / name).read_text() == (finished.directory / name).read_text()


COUNTED = """
import os
from automl_loss import Problem
from autoloss_tasks.sklearn_tasks import Wine


class Counted(Wine):
    \"\"\"Wine that notes in which process its rows are loaded.\"\"\"

    class Config(Wine.Config):
        log: str

    def splits(self, seed):
        with open(self.config.log, "a") as stream:
            stream.write(f"{os.getpid()}\\n")
        return super().splits(seed)
"""


def test_each_worker_makes_each_engine_once_however_many_tasks_there_are(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text(COUNTED)
    names = [f"task-{n}" for n in range(3)]
    recipe = several(
        *({"import": "counted:Counted", "log": str(tmp_path / name)} for name in names),
        folder=str(tmp_path),
        training={"steps": 10, "batch_size": 32},
        executor={"name": "local", "workers": 2, "chunk": 1},
        finalists={"count": 1, "seeds": 1, "steps": 10},
        retraining={"seeds": 1, "steps": 10},
    )
    run(recipe, directory=tmp_path / "run")
    for name in names:
        processes = (tmp_path / name).read_text().split()
        # Two workers, each once: learning rates, search and retraining share the rows. The main process asks a second
        # time, to see that rows are the same and that no split has rows of another.
        assert processes.count(str(os.getpid())) == 2
        others = [process for process in processes if process != str(os.getpid())]
        assert len(others) == len(set(others)) <= 2
        assert others


def test_the_resolved_recipe_loads_to_an_equal_one() -> None:
    recipe = load_recipe(several())
    assert recipe.to_data()["tasks"][1]["name"] == "iris"
    assert load_recipe(recipe.to_data()) == recipe
    assert [task.choice.label for task in recipe.tasks] == ["wine", "iris"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": [{"name": "wine"}]}, "a list of two or more tasks"),
        ({"tasks": [{"name": "wine"}, {"name": "irris"}]}, r"tasks\[1\]\.name.*Did you mean 'iris'"),
        ({"tasks": [{"name": "wine"}, {"name": "iris", "nois": 1}]}, r"tasks\[1\]\.nois"),
        ({"tasks": [{"name": "wine"}, {"name": "iris", "metric": "eror"}]}, r"tasks\[1\]\.metric"),
        ({"task": {"name": "wine"}}, "give `task` or `tasks`"),
        ({"training": {"steps": 20, "rungs": [10]}}, "leave the rungs out"),
    ],
)
def test_wrong_tasks_are_named_with_their_place(changes: dict[str, Any], message: str) -> None:
    from automl_loss import AutolossError

    with pytest.raises(AutolossError, match=message):
        load_recipe({**several(), **changes})


def test_tasks_of_two_kinds_are_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="wine is multiclass, diabetes is regression"):
        run(several("wine", "diabetes"), directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["linnerud", "breast_cancer"])
def test_several_outputs_and_two_classes_work(name: str, tmp_path: Path) -> None:
    result = run(tiny(task={"name": name}), directory=tmp_path / name)
    assert result.data["test"]["learned"]["mean"] is not None


def test_the_plan_of_several_tasks_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "general", "--dry-run"]) == 0
