from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.recipes import tiny

from automl_loss import run
from automl_loss.cli import main
from automl_loss.executors.local import cores
from automl_loss.recipe import load_recipe
from automl_loss.search.from_recipe import set_up
from automl_loss.search.notices import notices


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = ["size,colour,part,kind"]
    lines += [
        f"{i % 7 + i / 100},{'rgb'[i % 3]},{['train', 'validation', 'test'][i % 3]},{'ab'[i % 2]}"
        for i in range(90)
    ]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(lines))
    return file


def notices_of(task: dict[str, Any], **sections: Any) -> list[str]:
    return notices(set_up(load_recipe({"task": task, "model": "linear", **sections})))


def test_a_task_says_what_it_took_for_granted_before_a_run_and_before_it_starts(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table.parent / "recipe.yaml"
    file.write_text(f"task: {{name: table, file: {table}, target: kind, drop: [part]}}\nmodel: linear\n")
    said = "so this is a classification, 2 classes; `kind: regression` would make it one"
    assert main(["run", str(file), "--dry-run"]) == 0
    assert said in capsys.readouterr().out
    small = ("budget.candidates=2", "strategy.population=2", "training.steps=5", "training.lr=0.1", "tuning.steps=2",
             "finalists.steps=5", "finalists.seeds=1", "finalists.handcrafted=0", "finalists.lr_factors=[1]",
             "retraining.steps=5", "retraining.seeds=2")  # fmt: skip
    arguments = [word for change in small for word in ("-s", change)]
    assert main(["run", str(file), "-o", str(table.parent / "run"), *arguments]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


def test_rows_that_cannot_be_drawn_anew_are_named_where_it_was_asked_for(table: Path) -> None:
    given = {"name": "table", "file": str(table), "target": "kind", "split": "part", "kind": "classification"}
    redraw = {"finalists": {"redraw": True}}
    assert any(
        "finalists are judged on the rows of the search" in each for each in notices_of(given, **redraw)
    )
    assert notices_of({**given, "split": None, "drop": ["part"]}, **redraw) == []
    assert notices_of(given) == []
    assert notices_of({"name": "wine"}, **redraw) == []


def test_more_threads_than_cores_are_told() -> None:
    crowded = {"executor": {"workers": cores(), "threads": 2}}
    assert any("wait for each other" in each for each in notices_of({"name": "wine"}, **crowded))
    for fine in ({"threads": 1, "workers": 64}, {"threads": cores()}):
        assert notices_of({"name": "wine"}, executor=fine) == []


OLD = """
from automl_loss import Executor


class Old(Executor):
    \"\"\"As executors of the first version were written.\"\"\"

    plugin_api = 1

    def map(self, function, items):
        return map(function, items)
"""


def test_an_executor_of_the_first_version_runs_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(OLD)
    plugin = {"kind": "executor", "name": "old", "path": f"{tmp_path}/old.py:Old"}
    said: list[str] = []
    with pytest.warns(DeprecationWarning, match="executor Old has plugin_api = 1"):
        result = run(
            tiny(plugins=[plugin], executor={"name": "old"}),
            lambda progress: said.append(progress.message),
            directory=tmp_path / "run",
        )
    assert any("executor old has plugin_api = 1" in sentence for sentence in said)
    assert result.data["search"]["evaluated"] > 0
