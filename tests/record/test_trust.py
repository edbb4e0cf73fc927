from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from automl_loss.errors import RecipeError
from automl_loss.record.trust import mark_started, named_code, require_trust

RECIPE: dict[str, Any] = {
    "task": {"name": "wine", "metric": "mine:cost"},
    "model": {"import": "nets:Net"},
    "plugins": [{"kind": "strategy", "name": "mine", "path": "/home/ada/mine.py:Mine"}],
    "folder": "/home/ada",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (RECIPE, ["/home/ada/mine.py:Mine", "mine:cost", "nets:Net"]),
        ({"task": {"name": "wine", "metric": "error"}, "plugins": []}, []),
        ({"tasks": [{"import": "a:B"}, {"name": "wine", "metric": "c:d"}]}, ["a:B", "c:d"]),
        ({"compare": {"models": [{"import": "a:B"}], "strategies": [{"name": "x"}]}}, ["a:B"]),
        ({"task": {"metric": {"import": "a:cost", "higher_is_better": False}}}, ["a:cost"]),
        ({"plugins": "nonsense", "task": None, "model": [1, {"import": 3}]}, []),
    ],
)
def test_the_code_that_a_recipe_names_is_listed_without_importing_it(
    data: dict[str, Any], code: list[str]
) -> None:
    assert named_code(data) == code


def test_a_run_that_was_started_here_is_trusted_and_a_strangers_is_not(run: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"run: its recipe runs code.*mine\.py:Mine, mine:cost, nets:Net.*--trust"
    ):
        require_trust(run, RECIPE, trust=False)
    require_trust(run, RECIPE, trust=True)
    mark_started(run, RECIPE)
    require_trust(run, RECIPE, trust=False)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": {"import": "other:Net"}},
        {"folder": "/home/mallory"},
        {"plugins": [{"kind": "strategy", "name": "mine", "path": "/tmp/mine.py:Mine"}]},
    ],
)
def test_the_mark_is_of_this_code_alone(run: Path, changed: dict[str, Any]) -> None:
    mark_started(run, RECIPE)
    with pytest.raises(RecipeError, match="--trust"):
        require_trust(run, {**RECIPE, **changed}, trust=False)


def test_a_mark_made_elsewhere_or_by_another_user_counts_for_nothing(
    run: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_started(run, RECIPE)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("platform.node", lambda: "elsewhere")
        with pytest.raises(RecipeError):
            require_trust(run, RECIPE, trust=False)
    shutil.rmtree(home)
    with pytest.raises(RecipeError):
        require_trust(run, RECIPE, trust=False)


@pytest.mark.parametrize("content", ["", "0" * 64, "é" * 10, "\0"])
def test_a_forged_mark_counts_for_nothing(run: Path, content: str) -> None:
    (run.parent / "other").mkdir()
    mark_started(run.parent / "other", RECIPE)  # makes the key
    (run / ".started").write_text(content, encoding="utf-8")
    with pytest.raises(RecipeError):
        require_trust(run, RECIPE, trust=False)


def test_a_key_that_others_can_read_is_none(run: Path, home: Path) -> None:
    mark_started(run, RECIPE)
    (home / "autoloss" / "key").chmod(0o644)
    with pytest.raises(RecipeError):
        require_trust(run, RECIPE, trust=False)


def test_a_recipe_that_names_no_code_needs_no_mark_and_makes_no_key(run: Path, home: Path) -> None:
    mark_started(run, {"task": {"name": "wine"}})
    require_trust(run, {"task": {"name": "wine"}}, trust=False)
    assert not home.exists()
    assert list(run.iterdir()) == []


def test_where_no_key_can_be_kept_trust_is_asked_for(
    run: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("a file where a folder is needed")
    mark_started(run, RECIPE)
    with pytest.raises(RecipeError, match="--trust"):
        require_trust(run, RECIPE, trust=False)
