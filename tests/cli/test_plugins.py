from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from support.packages import STRATEGY
from typer.testing import CliRunner

from automl_loss.cli.plugins import Kind, app
from automl_loss.errors import PluginError
from automl_loss.plugins.discovery import GROUPS
from automl_loss.plugins.loading import Registry


@pytest.fixture
def rivals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages that both offer strategy `rival`, one of them broken."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("AUTOLOSS_PLUGINS", raising=False)
    for package, source in (("sound", STRATEGY.format(name="Rival")), ("broken", "assert False")):
        info = tmp_path / f"{package}-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n")
        (info / "entry_points.txt").write_text(f"[automl_loss.strategies]\nrival = {package}_rival:Rival\n")
        (tmp_path / f"{package}_rival.py").write_text(source)


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_kinds_of_the_command_line_are_those_of_discovery() -> None:
    assert [kind.value for kind in Kind] == list(GROUPS)


def test_list_shows_every_plugin_with_package_version_and_target() -> None:
    rows = [line.split() for line in run("list").splitlines()]
    assert rows[0] == ["kind", "name", "package", "version", "target"]
    plugins = Registry().plugins()
    assert [tuple(row) for row in rows[1:]] == [
        (p.kind, p.name, p.package, p.version, p.target) for p in plugins
    ]
    assert ["model", "mlp"] in [row[:2] for row in rows]


def test_list_of_a_kind_shows_that_kind_alone() -> None:
    kinds = {line.split()[0] for line in run("list", "task").splitlines()[1:]}
    assert kinds == {"task"}


def test_list_as_json_says_the_same() -> None:
    listed = json.loads(run("list", "model", "--json"))
    assert listed == [
        {"kind": p.kind, "name": p.name, "package": p.package, "version": p.version, "target": p.target}
        for p in Registry().plugins("model")
    ]


@pytest.mark.usefixtures("rivals")
def test_list_shows_rivals_and_broken_plugins_and_imports_none() -> None:
    rows = [line.split() for line in run("list", "strategy").splitlines()]
    assert [row[2] for row in rows if row[1] == "rival"] == ["broken", "sound"]
    assert not {"broken_rival", "sound_rival"} & set(sys.modules)


def test_show_prints_docstring_and_options_with_type_default_and_meaning() -> None:
    text = run("show", "model", "mlp")
    assert text.startswith("model mlp  (automl-loss ")
    assert "Fully connected layers" in text
    line = next(line for line in text.splitlines() if line.startswith("  dropout"))
    assert "= 0.0" in line
    assert "number >= 0 and < 1" in line
    assert line.endswith("probability that a hidden unit is dropped in training")


def test_show_has_the_options_that_the_core_gives_every_task() -> None:
    own, common = run("show", "digits").split("Options of every task:")
    assert "label_noise" in common
    assert "label_noise" not in own


def test_show_of_a_name_that_two_kinds_have_shows_both() -> None:
    shown = json.loads(run("show", "evomal", "--json"))
    assert [each["kind"] for each in shown] == ["strategy", "primitive_set"]
    assert "population" in shown[0]["config"]["properties"]


def test_show_of_an_unknown_name_suggests_one() -> None:
    with pytest.raises(PluginError, match=r"no plugin 'evomall' of any kind\. Did you mean 'evomal'\?"):
        run("show", "evomall")
    with pytest.raises(PluginError, match=r"no model 'mpl'\. Did you mean 'mlp'\?"):
        run("show", "model", "mpl")


@pytest.mark.usefixtures("rivals")
def test_show_of_rivals_asks_for_the_package_and_then_shows_the_one() -> None:
    with pytest.raises(PluginError, match="broken:rival' or 'sound:rival"):
        run("show", "rival")
    assert run("show", "sound:rival").startswith("strategy rival  (sound 2.0, sound_rival:Rival)")
    with pytest.raises(PluginError, match="AssertionError"):
        run("show", "broken:rival")


@pytest.mark.parametrize(
    ("words", "said"), [(["x", "y"], "no plugin kind 'x'"), (["a", "b", "c"], "got 3 words")]
)
def test_wrong_words_are_wrong_usage(words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["show", *words])
    assert result.exit_code == 2
    assert said in result.stderr
