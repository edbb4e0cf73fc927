"""Whole runs whose code hangs, or ends its process: each ends within its limit, and says why."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from support.recipes import tiny

from automl_loss import AutolossError, run
from automl_loss.cli import main

WORDS = '''
import os, signal, time
import torch
from automl_loss import Primitive, PrimitiveSet, standard_primitives


def hang(x):
    """Hangs in training, where there are many rows, and not when it is looked at."""
    while x.numel() >= {least}:
        {what}
    return x


class Words(PrimitiveSet):
    """A word that hangs."""

    plugin_api = 1
    functions = (*standard_primitives("add", "sub", "mul", "square", "abs"), Primitive("hang", 1, hang, "{{0}}"))
    terminals = standard_primitives("y", "f", "1")
'''
TEXTS = ("square(sub(y, f))", "abs(sub(hang(y), f))", "mul(sub(y, f), sub(y, f))", "abs(sub(y, f))")


class Four:
    """Four losses, the second of which hangs."""

    def __init__(self, words: Any) -> None:
        self.texts = TEXTS
        self.words = words
        self.told: list[str] = []

    def ask(self) -> list[Any]:
        from automl_loss import Candidate, SymbolicLoss, parse

        texts, self.texts = self.texts, ()
        return [
            Candidate(i, SymbolicLoss(parse(text, self.words)), 0) for i, text in enumerate(texts, start=1)
        ]

    def tell(self, outcomes: Any) -> None:
        self.told = [outcome.status.value for outcome in outcomes]


def settings(**changes: Any) -> dict[str, Any]:
    return tiny(**{"executor": {"workers": 1, "chunk": 4, "timeout_s": 8.0}, **changes})


def with_words(tmp_path: Path, least: int, what: str) -> dict[str, Any]:
    (tmp_path / "words.py").write_text(WORDS.format(least=least, what=what))
    return settings(
        primitives={"name": "words"},
        plugins=[{"kind": "primitive_set", "name": "words", "path": str(tmp_path / "words.py:Words")}],
    )


def words(recipe: dict[str, Any]) -> Any:
    from automl_loss import load_recipe

    return load_recipe(recipe).primitives.make()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "status", "workers"),
    [("time.sleep(1)", "timed_out", 1), ("os.kill(os.getpid(), signal.SIGKILL)", "crashed", 2)],
)
def test_a_loss_that_hangs_or_ends_its_worker_costs_only_itself(
    tmp_path: Path, what: str, status: str, workers: int
) -> None:
    # A loss that ends its process on the few rows that it is tried on ends the main process.
    recipe = with_words(tmp_path, 1 if status == "timed_out" else 30, what)
    recipe["filters"] = {"gradient": False, "rejection": False}
    recipe["executor"] = {"workers": workers, "chunk": 4, "timeout_s": 8.0}
    strategy = Four(words(recipe))
    result = run(recipe, strategy=strategy, directory=tmp_path / "run")
    assert strategy.told[1] == status
    assert "evaluated" in strategy.told[0]
    assert result.data["search"][status] == 1
    # It is not tried again.
    begun = time.monotonic()
    (tmp_path / "run" / "result.json").unlink()
    again = run(recipe, strategy=Four(words(recipe)), directory=tmp_path / "run", resume=True)
    assert time.monotonic() - begun < 60
    assert {i: (o.status, o.fitness) for i, o in again.outcomes.items()} == {
        i: (o.status, o.fitness) for i, o in result.outcomes.items()
    }


@pytest.mark.slow
def test_a_loss_that_hangs_in_the_filters_costs_only_itself(tmp_path: Path) -> None:
    recipe = with_words(tmp_path, 1, "time.sleep(1)")
    strategy = Four(words(recipe))
    result = run(recipe, strategy=strategy, directory=tmp_path / "run")
    assert strategy.told[1] == "timed_out"
    assert "measured for the filters" in result.outcomes[2].message


MODEL = """
import time
import torch

class Net(torch.nn.Module):
    def __init__(self, input_shape, output_dim):
        super().__init__()
        {build}
        self.layer = torch.nn.Linear(input_shape[0], output_dim)
    def forward(self, x):
        {forward}
        return self.layer(x)
"""
METRIC = """
import time
higher_is_better = False
def slow(output, target):
    while True:
        time.sleep(1)
slow.higher_is_better = False
"""
STRATEGY = """
import time
from automl_loss import Candidate, SearchStrategy, SymbolicLoss, parse

{top}

class Mine(SearchStrategy):
    "Hangs."
    plugin_api = 1
    def ask(self):
        {ask}
        if getattr(self, "asked", False):
            return []
        self.asked = True
        return [Candidate(1, SymbolicLoss(parse("square(sub(y, f))")), 0)]
    def tell(self, outcomes):
        {tell}
"""
FOREVER = "while True: time.sleep(0.1)"


def hanging(tmp_path: Path, kind: str) -> dict[str, Any]:
    """A recipe in whose code something hangs."""
    if kind in ("build", "forward"):
        parts = {"build": "pass", "forward": "pass", kind: FOREVER}
        (tmp_path / f"net_{kind}.py").write_text(MODEL.format(**parts))
        return {"model": {"import": f"net_{kind}:Net"}}
    if kind == "metric":
        (tmp_path / "slow_metric.py").write_text(METRIC)
        return {"task": {"name": "wine", "metric": "slow_metric:slow"}}
    parts = {"top": "", "ask": "pass", "tell": "pass", kind: FOREVER}
    (tmp_path / f"{kind}.py").write_text(STRATEGY.format(**parts))
    return {
        "strategy": {"name": "mine"},
        "plugins": [{"kind": "strategy", "name": "mine", "path": str(tmp_path / f"{kind}.py:Mine")}],
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["build", "forward", "metric", "top", "ask", "tell"])
def test_a_hang_in_the_users_code_ends_within_its_limit_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOLOSS_IMPORT_TIMEOUT_S", "5")
    recipe = {**settings(), **hanging(tmp_path, kind), "folder": str(tmp_path)}
    recipe["executor"] = {"workers": 1, "timeout_s": 4.0}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    code = main(["run", "recipe.yaml", "-o", "out"])
    said = capsys.readouterr().err
    assert code in (1, 3), said
    assert "took longer than" in said
    assert "bug" not in said
    file = {"build": "net_build.py", "forward": "net_forward.py", "metric": "executor.timeout_s"}.get(
        kind, kind
    )
    assert file in said


def test_imports_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLOSS_IMPORT_TIMEOUT_S", "0.5")
    (tmp_path / "endless.py").write_text("import time\nwhile True:\n    time.sleep(0.1)\n")
    with pytest.raises(AutolossError, match=r"endless.*took longer than 0\.5 s"):
        run(tiny(folder=str(tmp_path), model={"import": "endless:Net"}), directory=tmp_path / "run")
