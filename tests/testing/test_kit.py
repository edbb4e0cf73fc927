from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import broken

from automl_loss import PluginError
from automl_loss.cli import main
from automl_loss.plugins.discovery import GROUPS
from automl_loss.plugins.loading import Registry
from automl_loss.testing import Finding, check_plugin
from automl_loss.testing.check import kind_of, laws_of

CASES = [(law, cls) for law, classes in broken.BROKEN.items() for cls in classes]
SOUND = [broken.Sound, broken.Words, broken.Rows, broken.Layer, broken.Lengths, broken.Here]
SHIPPED = [(plugin.kind, plugin.name) for plugin in Registry().plugins() if plugin.package == "automl-loss"]
FILES = ("mnist", "cifar10", "cifar100", "svhn", "california", "boston")
NEED_OPTIONS = {"table", "dataset"}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(("law", "cls"), CASES, ids=[f"{law}-{cls.__name__}" for law, cls in CASES])
def test_each_law_catches_the_plugin_that_breaks_it(law: str, cls: type[Any]) -> None:
    found = [finding for finding in check_plugin(cls) if finding.law == law]
    assert len(found) == 1
    assert found[0].seen
    assert found[0].remedy
    assert not found[0].skipped


@pytest.mark.parametrize("cls", SOUND, ids=lambda cls: cls.__name__)
def test_a_sound_plugin_has_no_findings(cls: type[Any]) -> None:
    assert check_plugin(cls) == []


@pytest.mark.parametrize("kind", list(GROUPS))
def test_every_law_of_every_kind_has_a_plugin_that_breaks_it(kind: Any) -> None:
    caught = {law for law, cls in CASES if kind_of(cls) == kind}
    common = {"class-is-complete", "config-has-defaults", "config-survives-json", "importable-in-a-worker"}
    assert {law.name for law in laws_of(kind)} - common <= caught
    assert common <= {law for law, _ in CASES}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, name in SHIPPED if name not in NEED_OPTIONS],
)
def test_every_shipped_plugin_keeps_every_law(kind: Any, name: str) -> None:
    findings = check_plugin(Registry().load(kind, name).cls)
    assert [str(finding) for finding in findings if not finding.skipped] == []
    assert not findings or name in FILES or name == "fashion-mnist"


def test_a_table_keeps_every_law(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    lines = [f"{i % 7},{i * 37 % 11},{'ab'[i % 2]}" for i in range(120)]
    file.write_text("\n".join(["first,second,label", *(f"{line}" for line in lines)]))
    cls = Registry().load("task", "table").cls
    findings = check_plugin(cls, {"file": str(file), "target": "label"})
    # 77 different rows, so equal ones fall into several splits; all other laws are kept.
    assert {finding.law for finding in findings} <= {"splits-are-disjoint"}


def test_what_is_no_plugin_is_refused() -> None:
    with pytest.raises(PluginError, match="of no plugin kind; derive from one of SearchStrategy"):
        check_plugin(dict)


def test_a_finding_says_law_seen_and_remedy() -> None:
    text = str(Finding("ids-go-on", "Ids go on.", "ids are [0]", "Count."))
    assert text == "ids-go-on: Ids go on.\n  seen: ids are [0]\n  remedy: Count."


def test_the_command_prints_findings_and_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "check", "strategy", "handcrafted"]) == 0
    assert "strategy handcrafted: 14 of 14 laws kept" in capsys.readouterr().out
    path = Path(broken.__file__)
    assert main(["plugins", "check", f"{path}:FromZero"]) == 3
    assert "ids-go-on" in capsys.readouterr().out
    assert main(["plugins", "check", "handcrafted", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["findings"] == []
    assert main(["plugins", "check", "evomall"]) == 3
    assert "Did you mean 'evomal'" in capsys.readouterr().err
    assert main(["plugins", "check", "./absent.py:Mine"]) == 3
    assert "absent.py" in capsys.readouterr().err
