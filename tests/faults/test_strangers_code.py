"""A run directory that somebody else made: no command runs its code unless it is trusted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.recipes import tiny

from automl_loss import RecipeError, load_loss, run
from automl_loss.cli import main

CODE = """
import pathlib, torch
pathlib.Path({proof!r}).touch()
from automl_loss import PrimitiveSet, SearchStrategy, standard_primitives

class Net(torch.nn.Module):
    def __init__(self, input_shape, output_dim):
        super().__init__()
        self.layer = torch.nn.Linear(input_shape[0], output_dim)
    def forward(self, x):
        return self.layer(x)

class Words(PrimitiveSet):
    "Words."
    plugin_api = 1
    functions = standard_primitives("add", "sub", "mul", "square")
    terminals = standard_primitives("y", "f", "1")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run under a model of one's own, and its mark."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "strange_net.py").write_text(CODE.format(proof=str(folder / "ran")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        given = tiny(model={"import": "strange_net:Net"}, folder=str(folder))
        run(given, directory=folder / "run")
    (folder / "ran").unlink()
    return folder


@pytest.fixture
def strange(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, as it comes to somebody else; its code leaves a file when it runs."""
    import sys

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delitem(sys.modules, "strange_net", raising=False)
    (made / "ran").unlink(missing_ok=True)
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def ran(made: Path) -> bool:
    return (made / "ran").exists()


@pytest.mark.parametrize("command", ["report", "top", "export", "doctor"])
def test_commands_that_read_run_nothing(strange: Path, made: Path, command: str) -> None:
    assert main([command, str(strange)]) == 0
    assert not ran(made)


@pytest.mark.parametrize(
    "words",
    [
        ["retrain", "DIR", "--task", "wine"],
        ["landscape", "DIR"],
        ["run", "DIR/recipe.yaml", "-o", "DIR", "--resume"],
    ],
)
def test_commands_that_compute_name_the_code_and_ask(
    strange: Path, made: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.replace("DIR", str(strange)) for word in words]) == 2
    said = capsys.readouterr().err
    assert "strange_net:Net" in said
    assert "--trust" in said
    assert not ran(made)


def test_who_started_it_is_not_asked(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(made / "state"))
    recipe = str(made / "run" / "recipe.yaml")
    assert main(["run", recipe, "-o", str(made / "run"), "--resume", "--quiet"]) == 0


def test_with_trust_it_goes_on(strange: Path, made: Path) -> None:
    assert main(["run", str(strange / "recipe.yaml"), "-o", str(strange), "--resume", "--trust", "-q"]) == 0
    # From now on it is this user's own.
    assert main(["run", str(strange / "recipe.yaml"), "-o", str(strange), "--resume", "-q"]) == 0


def test_words_of_a_local_plugin_are_not_imported_to_read_a_loss(
    strange: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = yaml.safe_load((strange / "recipe.yaml").read_text())
    recipe["primitives"] = {"name": "words"}
    path = str(made / "strange_net.py:Words")
    recipe["plugins"] = [{"kind": "primitive_set", "name": "words", "path": path}]
    (strange / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    best = json.loads((strange / "best_loss.json").read_text())
    best["loss"]["expression"], best["primitives"] = "cube(sub(y, f))", {"name": "words"}
    best["loss"]["weights"] = [1.0] * 4
    (strange / "best_loss.json").write_text(json.dumps(best))
    with pytest.raises(RecipeError, match=r"strange_net\.py:Words.*trust=True"):
        load_loss(strange)
    assert main(["export", str(strange)]) == 2
    assert main(["report", str(strange)]) == 0
    assert not ran(made)


def test_no_local_code_refuses_imports_local_plugins_and_metrics_everywhere(
    made: Path, strange: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOLOSS_NO_LOCAL_CODE", "0")  # put back when the test ends
    plugin = {"kind": "primitive_set", "name": "words", "path": str(made / "strange_net.py:Words")}
    given: list[dict[str, Any]] = [
        tiny(model={"import": "strange_net:Net"}),
        tiny(task={"import": "strange_net:Net"}),
        tiny(task={"name": "wine", "metric": "strange_net:cost"}),
        tiny(primitives={"name": "words"}, plugins=[plugin]),
    ]
    for number, recipe in enumerate(given):
        file = strange / f"recipe-{number}.yaml"
        file.write_text(yaml.safe_dump({**recipe, "folder": str(made)}))
        for words in (["run", str(file), "--no-local-code", "-o", str(strange / "new")],
                      ["--no-local-code", "run", str(file), "--dry-run"]):  # fmt: skip
            os.environ["AUTOLOSS_NO_LOCAL_CODE"] = "0"
            code = main(words)
            said = capsys.readouterr().err
            assert (code, "--no-local-code" in said) == (2, True), said
    os.environ["AUTOLOSS_NO_LOCAL_CODE"] = "0"
    assert main(["plugins", "check", str(made / "strange_net.py:Words"), "--no-local-code"]) != 0
    assert not ran(made)
