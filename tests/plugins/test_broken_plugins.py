"""Plugins of other people that are broken, each in a way of its own, under the program as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.recipes import tiny

from automl_loss.cli import main

STRATEGY = '''
from automl_loss import Candidate, PluginConfig, SearchStrategy, SymbolicLoss, parse

class Steps(SearchStrategy):
    """Two random powers of the residual a generation, around the best so far."""

    plugin_api = 1
    default_evaluator = "partial-training"

    class Config(PluginConfig):
        generations: int = 5

    def __init__(self, config, problem, primitives, rng):
        super().__init__(config, problem, primitives, rng)
        self.generation, self.count, self.centre = -1, 0, 1.0

    def ask(self):
        self.generation += 1
        if self.generation == self.config.generations:
            return []
        found = [self.candidate(self.count + 1 + i) for i in range(2)]
        self.count += 2
        return found

    def candidate(self, number):
        weights = (1.0, 1.0, 1.0, self.centre + 0.3 * self.rng.normal())
        return Candidate(number, SymbolicLoss(parse("abs(sub(y, f))"), weights, weighted=False), self.generation)

    def tell(self, outcomes):
        best = min(outcomes, key=lambda outcome: outcome.rank_key)
        if best.fitness is not None:
            self.centre = 1.0 + best.fitness
        {tell}
'''

EVALUATOR = '''
from functools import partial
from automl_loss import Evaluator, Lane, Outcome, PluginConfig, Status

def stage(engine, chunk):
    if chunk[0].id:
        {stage}
    runs = engine.train([Lane(c.loss, engine.lr, engine.search_seed(0)) for c in chunk])
    return [Outcome(c.id, Status.EVALUATED, run.fitness, c.loss) for c, run in zip(chunk, runs)]

class Plain(Evaluator):
    """Trains."""

    plugin_api = 1

    class Config(PluginConfig):
        pass

    def evaluate(self, candidates, context):
        outcomes = list(context.map(partial(stage, context.engine), candidates))
        if candidates[0].id:
            {after}
        return outcomes
'''

LOSSES = '''
from automl_loss import Candidate, PluginConfig, SearchStrategy, SymbolicLoss, parse

class Odd(SearchStrategy):
    """Asks as it is told."""

    plugin_api = 1
    default_evaluator = "partial-training"

    class Config(PluginConfig):
        {config}

    count = 0

    def ask(self):
        {ask}

    def tell(self, outcomes):
        pass

    def same(self):
        self.count += 1
        return Candidate(self.count, SymbolicLoss(parse("square(sub(y, f))")), 0)
'''


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which holds nothing that is imported."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("AUTOLOSS_PLUGINS", raising=False)
    return folder


@pytest.fixture
def recipe(work: Path) -> Callable[..., str]:
    """Write a tiny recipe; its path."""

    def write(**changes: Any) -> str:
        settings = {
            "filters": {"rejection": False},
            "finalists": {"count": 1, "seeds": 1, "steps": 20, "lr_factors": [1.0], "handcrafted": 0},
            "retraining": {"seeds": 2, "steps": 20, "lr": 0.05},
            **changes,
        }
        (work / "recipe.yaml").write_text(yaml.safe_dump(tiny(**settings)))
        return str(work / "recipe.yaml")

    return write


@pytest.fixture
def acme(install: Callable[..., None], site: Path) -> Callable[..., None]:
    """Install package acme with a plugin `mine`, in place of a version that is there."""

    def write(kinds: str, cls: str, source: str, version: str = "1.0") -> None:
        for old in site.glob("acme-*"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        module = f"acme_{version.replace('.', '_')}"
        install("acme", {kinds: {"mine": f"{module}:{cls}"}}, {module: source}, version)

    return write


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def result(folder: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((Path(folder) / "result.json").read_text())
    for key in ("seconds", "workers", "profile", "overhead"):
        del data["search"][key]
    return {key: data[key] for key in ("best", "test", "search", "finalists", "rows")}


# At import


def test_a_plugin_that_is_imported_for_ever_keeps_neither_the_list_nor_other_runs_waiting(
    install: Callable[..., None], site: Path, recipe: Callable[..., str]
) -> None:
    groups = ("strategies", "evaluators", "tasks", "models", "executors", "primitive_sets")
    install("sleepy", {group: {"sleep": "sleepy:Sleep"} for group in groups},
            {"sleepy": "import time\ntime.sleep(1e6)\n"})  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "automl_loss.cli"]
    for words in (["plugins", "list"], ["plugins", "show", "evomal"], ["run", recipe(), "--dry-run"]):
        done = subprocess.run(
            [*program, *words], env=environment, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stderr
        assert ("sleepy:Sleep" in done.stdout) is (words[1] == "list")


@pytest.mark.parametrize(
    ("api", "remedy"),
    [(0, "older than 1, which this automl-loss offers; upgrade acme."),
     (2, "newer than 1, which this automl-loss offers; upgrade automl-loss.")],
)  # fmt: skip
def test_a_plugin_of_another_contract_is_refused_with_what_to_upgrade(
    acme: Callable[..., None],
    recipe: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    api: int,
    remedy: str,
) -> None:
    source = STRATEGY.format(tell="pass").replace("plugin_api = 1", f"plugin_api = {api}")
    acme("strategies", "Steps", source)
    assert main(["run", recipe(strategy={"name": "mine"}), "-o", "run"]) == 3
    message = said(capsys)
    assert "strategy.name: strategy 'mine' of acme 1.0: class Steps has plugin_api" in message
    assert message.endswith(remedy)


def test_a_missing_package_is_told_before_the_import_that_would_fail_for_it(
    work: Path, recipe: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "mine.py").write_text("open('imported', 'w')\nimport no_such_package\n")
    plugin = {"kind": "strategy", "name": "mine", "path": "./mine.py:Mine"}
    text = recipe(strategy={"name": "mine"}, plugins=[plugin], requires=["numpy", "no-such-package>=1.2"])
    assert main(["run", text]) == 3
    message = said(capsys)
    assert (
        "requires[1]: package 'no-such-package' is not installed; try `pip install 'no-such-package>=1.2'`"
        in message
    )
    assert "mine" not in message
    assert main(["run", text, "-s", "training.step=3"]) == 2
    message = said(capsys)
    assert "training.step: unknown key" in message
    assert "requires[1]: package 'no-such-package' is not installed" in message
    assert not (work / "imported").exists()


def test_a_version_that_is_in_no_order_does_not_meet_a_requirement(
    install: Callable[..., None], recipe: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", "", version="final_one")
    assert main(["run", recipe(requires=["acme>=1.2"])]) == 3
    assert "needs acme>=1.2, but version final_one is installed" in said(capsys)


def test_of_two_packages_with_one_name_the_recipe_says_which_and_the_other_is_not_imported(
    acme: Callable[..., None], install: Callable[..., None], recipe: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    acme("strategies", "Steps", STRATEGY.format(tell="pass"))
    install("rival", {"strategies": {"mine": "rival:Steps"}}, {"rival": "assert False"})
    assert main(["run", recipe(strategy={"name": "mine"}), "--dry-run"]) == 3
    assert "offered by acme 1.0 (acme_1_0:Steps) and by rival 1.0 (rival:Steps)" in said(capsys)
    assert main(["run", recipe(strategy={"name": "acme:mine"}), "--dry-run"]) == 0
    assert "strategy acme:mine (acme 1.0)" in capsys.readouterr().out
    assert "rival" not in sys.modules


def test_the_environment_says_whose_plugins_count(
    acme: Callable[..., None], recipe: Callable[..., str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    acme("strategies", "Steps", STRATEGY.format(tell="pass"))
    text = recipe(strategy={"name": "mine"})
    for allowed in ("", "other,another"):
        monkeypatch.setenv("AUTOLOSS_PLUGINS", allowed)
        assert main(["run", text, "--dry-run"]) == 3
        assert f"AUTOLOSS_PLUGINS={allowed!r} limits which packages count" in said(capsys)
    monkeypatch.setenv("AUTOLOSS_PLUGINS", "other,acme")
    assert main(["run", text, "--dry-run"]) == 0


def test_a_local_plugin_is_found_beside_its_recipe_from_any_folder(
    work: Path, tmp_path: Path, recipe: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "beside_it.py").write_text("GENERATIONS = 2\n")
    source = STRATEGY.format(tell="pass").replace("= 5", "= GENERATIONS")
    (work / "mine.py").write_text(f"from beside_it import GENERATIONS\n{source}")
    plugin = {"kind": "strategy", "name": "mine", "path": "./mine.py:Steps"}
    text = recipe(strategy={"name": "mine"}, plugins=[plugin])
    monkeypatch.chdir(tmp_path)
    assert main(["run", text, "-o", "run", "-q"]) == 0
    assert result("run")["search"]["candidates"] == 4
    # The run directory holds its path, so that it can be resumed from anywhere, too.
    assert main(["run", "run/recipe.yaml", "-o", "run", "-q", "--resume"]) == 0


# Options


def test_a_default_that_its_own_type_refuses_is_the_plugins_fault(
    acme: Callable[..., None], recipe: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    acme("strategies", "Odd", LOSSES.format(config="size: int = 'many'", ask="return []"))
    assert main(["run", recipe(strategy={"name": "mine"}), "-o", "run"]) == 3
    message = said(capsys)
    assert (
        "strategy 'mine' of acme 1.0: its Config has bad defaults: size = 'many' (Input should be a"
        in message
    )
    assert not Path("run").exists()
    assert main(["run", recipe(strategy={"name": "mine", "size": 3}), "-o", "run"]) == 4


# Strategies


def test_a_strategy_that_asks_nothing_ends_with_no_valid_candidate(
    acme: Callable[..., None], recipe: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    acme("strategies", "Odd", LOSSES.format(config="pass", ask="return []"))
    assert main(["run", recipe(strategy={"name": "mine"}), "-o", "run"]) == 4
    assert "strategy mine asked for no candidate at all" in said(capsys)


def test_a_strategy_that_asks_the_same_for_ever_is_stopped_and_pays_once(
    acme: Callable[..., None], recipe: Callable[..., str]
) -> None:
    acme("strategies", "Odd", LOSSES.format(config="pass", ask="return [self.same(), self.same()]"))
    text = recipe(strategy={"name": "mine"}, budget={"candidates": 3})
    assert main(["run", text, "-o", "run", "-q"]) == 0
    search = result("run")["search"]
    assert (search["candidates"], search["evaluated"], search["cached"]) == (30, 1, 29)
    assert "30 candidates were asked for, 10 times the budget" in search["ended"]


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        ("return None", "returned None from ask; expected a list of candidates"),
        ("return [self.same(), 7]", "returned a list with 7 from ask"),
        ("return [None]", "returned a list with None from ask"),
        ("return [Candidate(1, 'f', 0)]", "returned a list with Candidate(id=1, loss='f'"),
        ("return [Candidate(9, self.same().loss, 0)]", "asked for candidates [9]; ids must go on from 1"),
        ("parse('nonsense')", "failed in ask of generation 0: UnknownPrimitiveError: column 1"),
        ("raise SystemExit", "failed in ask of generation 0: SystemExit ("),
    ],
)
def test_what_a_strategy_asks_amiss_is_told_with_its_package_and_version(
    acme: Callable[..., None],
    recipe: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    ask: str,
    what: str,
) -> None:
    acme("strategies", "Odd", LOSSES.format(config="pass", ask=ask))
    assert main(["run", recipe(strategy={"name": "mine"}), "-o", "run"]) == 3
    assert f"strategy Odd ('mine' of acme 1.0) {what}" in said(capsys)


def test_a_strategy_that_fails_in_generation_3_is_named_and_its_run_goes_on_once_it_is_mended(
    acme: Callable[..., None], recipe: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = "if self.generation == 3: raise ValueError('no idea')"
    acme("strategies", "Steps", STRATEGY.format(tell=broken))
    text = recipe(strategy={"name": "mine"})
    assert main(["run", text, "-o", "run", "-q"]) == 3
    message = said(capsys)
    assert message.startswith(
        "autoloss: strategy Steps ('mine' of acme 1.0) failed in tell of generation 3: ValueError: no idea ("
    )
    assert "acme_1_0.py:" in message
    assert message.endswith("Everything so far is recorded: mend or upgrade it, then go on with --resume.")
    # Again without mending: the same, and nothing is lost.
    assert main(["run", text, "-o", "run", "-q", "--resume"]) == 3
    acme("strategies", "Steps", STRATEGY.format(tell="pass"), "1.1")
    assert main(["run", text, "-o", "run", "-q", "--resume"]) == 0
    assert main(["run", text, "-o", "whole", "-q"]) == 0
    assert result("run") == result("whole")
    assert Path("run/best_loss.json").read_bytes() == Path("whole/best_loss.json").read_bytes()


def test_a_mended_strategy_that_asks_otherwise_or_less_cannot_go_on(
    acme: Callable[..., None], recipe: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    acme("strategies", "Steps", STRATEGY.format(tell="if self.generation == 1: raise ValueError"))
    text = recipe(strategy={"name": "mine"})
    assert main(["run", text, "-o", "run", "-q"]) == 3
    for version, change in (("1.1", ("0.3 *", "0.4 *")), ("1.2", ("== self.config.generations", "== 1"))):
        acme("strategies", "Steps", STRATEGY.format(tell="pass").replace(*change), version)
        capsys.readouterr()
        assert main(["run", text, "-o", "run", "-q", "--resume"]) == 5
        assert f"strategy Steps ('mine' of acme {version}) asked for" in said(capsys)


# Evaluators


@pytest.mark.parametrize(
    ("stage", "after", "what"),
    [
        ("pass", "raise KeyError('lr')", "failed in the evaluation of generation 0: KeyError: 'lr' ("),
        ("pass", "raise SystemExit(3)", "failed in the evaluation of generation 0: SystemExit: 3 ("),
        (
            "pass",
            "return outcomes[:1]",
            "got candidates [1, 2] in the evaluation of generation 0 and returned",
        ),
        (
            "pass",
            "return None",
            "returned None from the evaluation of generation 0; expected a list of outcomes",
        ),
        ("pass", "return [1, 2]", "returned [1, 2] from the evaluation of generation 0"),
        ("raise TypeError('odd')", "pass", "failed in the evaluation of generation 0: TypeError: odd ("),
        ("raise SystemExit", "pass", "failed in the evaluation of generation 0: SystemExit ("),
        ("return []", "pass", "got candidates [1] in a stage of the evaluation of generation 0 and returned"),
        (
            "return [Outcome(c.id, Status.EVALUATED, float('nan'), c.loss) for c in chunk]",
            "pass",
            "gave candidate 1 status evaluated and fitness nan",
        ),
        (
            "return [Outcome(c.id, Status.DIVERGED, 0.5, c.loss) for c in chunk]",
            "pass",
            "gave candidate 1 status diverged and fitness 0.5",
        ),
    ],
)
def test_an_evaluator_that_fails_or_returns_amiss_is_named(
    acme: Callable[..., None], recipe: Callable[..., str], capsys: pytest.CaptureFixture[str],
    stage: str, after: str, what: str,
) -> None:  # fmt: skip
    acme("evaluators", "Plain", EVALUATOR.format(stage=stage, after=after))
    assert main(["run", recipe(evaluator={"name": "mine"}), "-o", "run", "-s", "strategy.population=2"]) == 3
    message = said(capsys)
    assert f"evaluator Plain ('mine' of acme 1.0) {what}" in message
    assert "--resume" in message


FAULTY_LATER = EVALUATOR.format(stage="if chunk[0].id > 5: raise TypeError('odd')", after="pass")
NAMED = "evaluator Plain ('mine' of acme 1.0) failed in the evaluation of generation"


def test_a_run_goes_on_once_its_evaluator_is_mended(
    acme: Callable[..., None], recipe: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    acme("evaluators", "Plain", FAULTY_LATER)
    text = recipe(evaluator={"name": "mine"}, executor={"workers": 1, "chunk": 2})
    assert main(["run", text, "-o", "run", "-q"]) == 3
    assert NAMED in said(capsys)
    acme("evaluators", "Plain", EVALUATOR.format(stage="pass", after="pass"), "1.1")
    assert main(["run", text, "-o", "run", "-q", "--resume"]) == 0
    assert main(["run", text, "-o", "whole", "-q"]) == 0
    assert result("run") == result("whole")


def test_an_evaluator_that_fails_in_a_worker_process_is_named(
    acme: Callable[..., None], recipe: Callable[..., str], site: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("PYTHONPATH", str(site))  # of worker processes
    acme("evaluators", "Plain", FAULTY_LATER)
    text = recipe(evaluator={"name": "mine"}, executor={"workers": 2, "chunk": 2})
    assert main(["run", text, "-o", "run", "-q"]) == 3
    assert NAMED in said(capsys)


# Tasks and models

TASK = '''
import numpy as np
from automl_loss import MissingDataError, PluginConfig, Problem, Split, Splits, Task

class Rows(Task):
    """Random rows."""

    plugin_api = 1

    def problem(self):
        {problem}
        return Problem.classification((2,), 2)

    def rows(self):
        return Split(np.zeros((20, 2), np.float32), np.arange(20) % 2)

    def splits(self, seed):
        {splits}
        return Splits(self.rows(), self.rows())

    def test(self, seed):
        return self.rows()
'''

MODEL = '''
from automl_loss import ModelFactory
from torch import nn

class Net(ModelFactory):
    """One layer."""

    plugin_api = 1

    def build(self, input_shape, output_dim):
        return nn.Linear(input_shape[0], output_dim, colour="red")
'''


@pytest.mark.parametrize(
    ("problem", "splits", "code", "message"),
    [
        ("1 / 0", "pass", 3, "task Rows ('mine' of acme 1.0) failed in set-up: ZeroDivisionError: division by zero ("),
        ("pass", "np.zeros(3).reshape(2, 2)", 3, "task Rows ('mine' of acme 1.0) failed in set-up: ValueError: cannot"),
        ("pass", "raise SystemExit", 3, "task Rows ('mine' of acme 1.0) failed in set-up: SystemExit"),
        ("pass", "raise MissingDataError('no file rows.csv')", 2, "autoloss: no file rows.csv"),
    ],
)  # fmt: skip
def test_a_task_that_fails_is_named_unless_it_says_itself_what_is_wrong(
    acme: Callable[..., None], recipe: Callable[..., str], capsys: pytest.CaptureFixture[str],
    problem: str, splits: str, code: int, message: str,
) -> None:  # fmt: skip
    acme("tasks", "Rows", TASK.format(problem=problem, splits=splits))
    assert main(["run", recipe(task={"name": "mine"}), "-o", "run"]) == code
    assert message in said(capsys)
    assert not Path("run").exists()


def test_a_model_that_fails_is_named(
    acme: Callable[..., None], recipe: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    acme("models", "Net", MODEL)
    assert main(["run", recipe(model={"name": "mine"}), "-o", "run"]) == 3
    assert "model Net ('mine' of acme 1.0) failed in set-up: TypeError" in said(capsys)
