from __future__ import annotations

import importlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.recipes import tiny
from torch.nn import functional

from autoloss_gp.random_search import RandomSearch
from automl_loss import (
    AutolossError,
    Candidate,
    Outcome,
    PluginError,
    RecipeError,
    ResumeError,
    SearchStrategy,
    SymbolicLoss,
    load_loss,
    load_recipe,
    parse,
    run,
)
from automl_loss.api import read_loss
from automl_loss.cli import main

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


def test_a_damaged_journal_is_named_and_what_it_lacks_comes_back_from_the_chunk_records(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = run(tiny(), directory=tmp_path / "run")
    journal = tmp_path / "run" / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:4], lines[4].replace(b"0", b"1", 1), *lines[5:]]))
    again = run(tiny(), directory=tmp_path / "run", resume=True)
    assert "line 5: this record does not match its checksum" in caplog.text
    assert again.data["test"] == first.data["test"]
    assert {i: o.fitness for i, o in again.outcomes.items()} == {
        i: o.fitness for i, o in first.outcomes.items()
    }


@pytest.mark.parametrize("hangs", [True, False])
def test_a_report_that_fails_or_takes_too_long_is_left_out_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hangs: bool
) -> None:
    def broken(directory: Path) -> None:
        while hangs:
            time.sleep(0.1)
        raise RecursionError("a formula without end")

    monkeypatch.setattr("automl_loss.api._REPORT_S", 1.0)
    monkeypatch.setattr("automl_loss.report.write_report", broken)
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(tiny()))
    assert main(["run", str(file), "-o", str(tmp_path / "run"), "--report", "-q"]) == 0
    said = "took longer than 1 s" if hangs else "RecursionError: a formula without end"
    assert "the report is left out" in caplog.text
    assert said in caplog.text
    assert (tmp_path / "run" / "result.json").exists()


def test_records_of_another_recipe_are_refused(tmp_path: Path) -> None:
    run(tiny(), directory=tmp_path / "one")
    other = tiny(training={"steps": 11})
    run(other, directory=tmp_path / "other")
    for file in ("journal.log", "chunks.log"):
        shutil.copytree(tmp_path / "one", tmp_path / file)
        shutil.copy(tmp_path / "other" / file, tmp_path / file / file)
        with pytest.raises(ResumeError, match=rf"{file}: .* differs in training\.steps"):
            run(tiny(), directory=tmp_path / file, resume=True)
    # The recipe was changed in the directory itself, and is the one given.
    recipe = tmp_path / "one" / "recipe.yaml"
    assert "tuning: {steps: 10" in recipe.read_text()
    recipe.write_text(recipe.read_text().replace("tuning: {steps: 10", "tuning: {steps: 11", 1))
    with pytest.raises(ResumeError, match=r"differs in tuning\.steps"):
        run(recipe, directory=tmp_path / "one", resume=True)


# A strategy handed over

MINE = '''
from automl_loss import Candidate, PluginConfig, SearchStrategy, SymbolicLoss, parse


class Mine(SearchStrategy):
    """Random powers of the residual."""

    default_evaluator = "partial-training"

    class Config(PluginConfig):
        generations: int = 2

    def __init__(self, config, problem, primitives, rng):
        super().__init__(config, problem, primitives, rng)
        self.generation = -1

    def ask(self):
        self.generation += 1
        if self.generation == self.config.generations:
            return []
        return [self.candidate(1 + 2 * self.generation + i) for i in range(2)]

    def candidate(self, number):
        weights = (1.0, 1.0, 1.0, 1.0 + 0.3 * self.rng.normal())
        return Candidate(number, SymbolicLoss(parse("abs(sub(y, f))"), weights, weighted=False), self.generation)

    def tell(self, outcomes):
        pass
'''


class Asking:
    """No plugin: an object with `ask` and `tell`, which fails once told to."""

    default_evaluator = "partial-training"

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.asked, self.told = fails, 0, list[float | None]()

    def ask(self) -> list[Candidate]:
        numbers = [] if self.asked == 4 else [self.asked + 1, self.asked + 2]
        self.asked += len(numbers)
        losses = {i: SymbolicLoss(parse("abs(sub(y, f))"), (1.0, 1.0, 1.0, 1.0 + i / 8)) for i in numbers}
        return [Candidate(i, loss, generation=0) for i, loss in losses.items()]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self.told += [outcome.fitness for outcome in outcomes]
        if self.fails and self.asked == 4:
            raise ValueError("told to")


def short(**changes: Any) -> dict[str, Any]:
    """A tiny recipe that names no strategy."""
    settings = {
        "filters": {"rejection": False},
        "finalists": {"count": 1, "seeds": 1, "steps": 20, "lr_factors": [1.0], "handcrafted": 0},
        "retraining": {"seeds": 2, "steps": 20, "lr": 0.05},
        **changes,
    }
    return {key: value for key, value in tiny(**settings).items() if key != "strategy"} | changes


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[SearchStrategy]]:
    """A strategy class of a module of the user's own."""
    (tmp_path / "own_mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("own_mine").Mine
    del sys.modules["own_mine"]


def test_a_strategy_class_is_run_with_the_options_of_a_section_without_a_name(
    mine: type[SearchStrategy], tmp_path: Path
) -> None:
    result = run(short(strategy={"generations": 3}), strategy=mine, directory=tmp_path / "run")
    assert result.data["search"]["candidates"] == 6
    assert (result.data["strategy"], result.data["evaluator"]) == ("Mine", "partial-training")
    shorter = run(
        short(), strategy=mine, overrides=["strategy.generations=1"], directory=tmp_path / "shorter"
    )
    assert shorter.data["search"]["candidates"] == 2
    with pytest.raises(RecipeError, match=r"strategy\.generation: unknown key\. Did you mean 'generations'"):
        run(short(strategy={"generation": 3}), strategy=mine)


def test_a_strategy_class_that_can_be_imported_is_recorded_by_path_and_resumed_from_the_command_line(
    mine: type[SearchStrategy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = {"kind": "strategy", "name": "Mine", "path": f"{tmp_path}/own_mine.py:Mine"}
    first = run(short(), strategy=mine, directory=tmp_path / "run")
    recipe = load_recipe(tmp_path / "run" / "recipe.yaml")
    assert [plugin.model_dump() for plugin in recipe.plugins] == [recorded]
    result = tmp_path / "run" / "result.json"
    result.unlink()
    assert (
        main(["run", str(tmp_path / "run" / "recipe.yaml"), "-o", str(tmp_path / "run"), "--resume", "-q"])
        == 0
    )
    assert json.loads(result.read_text())["test"] == first.data["test"]
    assert run(short(), strategy=mine, directory=tmp_path / "run", resume=True).loss == first.loss


def test_a_strategy_takes_the_place_of_the_recipes_and_drops_what_belonged_to_it(
    mine: type[SearchStrategy],
) -> None:
    named = short(strategy={"name": "random", "population": 9}, evaluator={"name": "bilevel"})
    recipe = load_recipe(named, strategy=mine)
    assert (recipe.strategy.name, recipe.strategy.cls, recipe.evaluator.name) == (
        "Mine",
        mine,
        "partial-training",
    )
    assert recipe.notices == (
        "strategy=Mine drops what belonged to the strategy random: population and the evaluator.",
    )
    kept = load_recipe(short(evaluator={"name": "bilevel"}), strategy=mine)
    assert (kept.evaluator.name, kept.notices) == ("bilevel", ())
    with pytest.raises(
        RecipeError, match=r"-s strategy\.name=random: strategy: a strategy is handed over already"
    ):
        load_recipe(short(), ["strategy.name=random"], strategy=mine)
    with pytest.raises(RecipeError, match=r"give it to load_recipe\(\.\.\., strategy=\.\.\.\)"):
        run(recipe, strategy=mine)


def test_an_installed_strategy_that_is_handed_over_goes_by_its_name() -> None:
    recipe = load_recipe(short(strategy={"population": 7}), strategy=RandomSearch)
    assert recipe == load_recipe(short(strategy={"name": "random", "population": 7}))


def test_an_object_that_asks_and_tells_is_a_strategy_and_a_fresh_one_goes_on_where_it_failed(
    tmp_path: Path,
) -> None:
    failing = Asking(fails=True)
    with pytest.raises(
        PluginError, match=r"strategy Asking \('Asking' handed over in Python\) failed in tell of gen"
    ):
        run(short(), strategy=failing, directory=tmp_path / "run")
    failing.asked = 2
    with pytest.raises(PluginError, match=r"ids must go on from 1.*hand over a fresh object"):
        run(short(), strategy=failing, directory=tmp_path / "run", resume=True)
    failing.asked = 4
    with pytest.raises(ResumeError, match=r"asked for 0 candidates, and the ledger holds 4.*not fresh"):
        run(short(), strategy=failing, directory=tmp_path / "run", resume=True)
    fresh, other = Asking(), Asking()
    resumed = run(short(), strategy=fresh, directory=tmp_path / "run", resume=True)
    whole = run(short(), strategy=other, directory=tmp_path / "whole")
    assert fresh.told == other.told
    assert len(fresh.told) == 4
    assert resumed.loss == whole.loss
    assert resumed.data["test"] == whole.data["test"]


def test_of_an_object_or_an_inner_class_the_recipe_says_that_only_python_can_go_on(
    tmp_path: Path, mine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    class Inner(mine):
        """A class that no other process can import."""

    for name, strategy in (("object", Asking()), ("class", Inner)):
        folder = tmp_path / name
        run(short(), strategy=strategy, directory=folder)
        assert "automl_loss.plugins.python_strategy:HandedOver" in (folder / "recipe.yaml").read_text()
        assert main(["run", str(folder / "recipe.yaml"), "-o", str(folder), "--resume"]) == 2
        message = " ".join(capsys.readouterr().err.split())
        assert "strategy: it was handed over in Python" in message
        assert (
            "go on by automl_loss.run(recipe, strategy=<a fresh one>, directory=..., resume=True)" in message
        )
    resumed = run(short(), strategy=Inner, directory=tmp_path / "class", resume=True)
    assert resumed.data["search"]["candidates"] == 4


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (
            "random",
            r"got 'random'\. An installed strategy is named in the recipe: `strategy: \{name: random\}`",
        ),
        (Asking, r"got <class '.*Asking'>\. Derive the class, or hand over an object of it\."),
        (
            7,
            r"expected a class derived from automl_loss\.SearchStrategy, or an object with `ask` and `tell`, got 7\.",
        ),
        (SearchStrategy, r"class SearchStrategy does not define ask, tell"),
    ],
)
def test_what_is_no_strategy_is_refused_with_what_would_do(strategy: Any, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        run(short(), strategy=strategy)


def test_a_class_of_an_installed_plugins_name_is_told_apart(
    mine: type[SearchStrategy], tmp_path: Path
) -> None:
    mine.__name__ = "random"
    recipe = load_recipe(short(), strategy=mine)
    assert (recipe.strategy.name, recipe.plugins[0].name) == ("local:random", "random")
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
