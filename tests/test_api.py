from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from support.recipes import tiny
from torch.nn import functional

from automl_loss import AutolossError, RecipeError, ResumeError, load_loss, run
from automl_loss.api import read_loss

LOCAL_SET = '''
from automl_loss import Primitive, PrimitiveSet, standard_primitives


def cube(x):
    return x * x * x


class Cubes(PrimitiveSet):
    """Cubes beside the usual words."""

    plugin_api = 1
    functions = (*standard_primitives("add", "sub", "mul"), Primitive("cube", 1, cube, "{0} ** 3"))
    terminals = standard_primitives("y", "f", "1")
'''


def test_load_loss_reads_what_to_json_wrote(tmp_path: Path) -> None:
    loss = {
        "kind": "handcrafted",
        "name": "cross_entropy",
        "problem": "multiclass",
        "parameters": {},
        "scale": 1.0,
    }
    problem = {"kind": "multiclass", "input_shape": [4], "output_dim": 3}
    data = {"loss": loss, "problem": {**problem, "task_loss": "cross_entropy", "metric": "error"}}
    (tmp_path / "best_loss.json").write_text(json.dumps(data))
    raw, target = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    for place in (tmp_path, tmp_path / "best_loss.json"):
        torch.testing.assert_close(load_loss(place)(raw, target), functional.cross_entropy(raw, target))


def test_a_missing_or_foreign_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"best_loss.json: there is no such file"):
        read_loss(tmp_path)
    (tmp_path / "best_loss.json").write_text('{"a": 1}')
    with pytest.raises(AutolossError, match="not a loss"):
        read_loss(tmp_path)


def test_a_primitive_set_of_ones_own_runs_by_path_with_words_that_have_no_kernel(tmp_path: Path) -> None:
    (tmp_path / "cubes.py").write_text(LOCAL_SET)
    recipe = tiny(
        plugins=[{"kind": "primitive_set", "name": "cubes", "path": f"{tmp_path}/cubes.py:Cubes"}],
        primitives={"name": "cubes"},
        strategy={"name": "evomal", "population": 12, "generations": 2, "initial": "random"},
        filters={"rejection": False},
        executor={"name": "local", "workers": 2, "chunk": 3},
    )
    result = run(recipe, directory=tmp_path / "run")
    texts = [str(getattr(outcome.loss, "expression", "")) for outcome in result.outcomes.values()]
    assert any("cube(" in text for text in texts)


def test_a_resumed_finished_run_gives_the_same_result_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    first = run(tiny(), directory=tmp_path / "run")
    again = run(tiny(), directory=tmp_path / "run", resume=True)
    assert again.loss == first.loss
    assert again.data["test"] == first.data["test"]
    with pytest.raises(ResumeError, match=r"training\.steps"):
        run(tiny(training={"steps": 21, "lr": 0.05}), directory=tmp_path / "run", resume=True)


def test_other_versions_on_resume_are_told(tmp_path: Path) -> None:
    run(tiny(), directory=tmp_path / "run")
    file = tmp_path / "run" / "recipe.yaml"
    file.write_text(file.read_text().replace("# torch: ", "# torch: 1.0 instead of "))
    messages: list[str] = []
    run(tiny(), lambda progress: messages.append(progress.message), directory=tmp_path / "run", resume=True)
    assert any("other versions" in message and "torch" in message for message in messages)


def test_time_on_record_is_not_spent_again_by_replaying(tmp_path: Path) -> None:
    settings = tiny(budget={"candidates": 500, "minutes": 0.001})
    first = run(settings, directory=tmp_path / "run")
    assert "0.001 minutes" in first.data["search"]["ended"]
    again = run(settings, directory=tmp_path / "run", resume=True)
    assert again.outcomes.keys() == first.outcomes.keys()
    more = run(tiny(budget={"candidates": 500, "minutes": 60.0}), directory=tmp_path / "run", resume=True)
    assert len(more.outcomes) > len(first.outcomes)
    assert more.data["search"]["ended"] == "the strategy is done"


def test_a_damaged_journal_costs_a_finished_run_nothing(tmp_path: Path) -> None:
    run(tiny(), directory=tmp_path / "run")
    journal, result = tmp_path / "run" / "journal.log", tmp_path / "run" / "result.json"
    lines = journal.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:3], b"garbage\n", *lines[3:]])
    journal.write_bytes(damaged)
    before = result.read_bytes()
    with pytest.raises(ResumeError, match=r"journal\.log.*4"):
        run(tiny(), directory=tmp_path / "run", resume=True)
    assert result.read_bytes() == before
    assert journal.read_bytes() == damaged
