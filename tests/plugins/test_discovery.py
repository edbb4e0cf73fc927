from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

from automl_loss.cli import main
from automl_loss.cli.doctor import check_plugins
from automl_loss.errors import PluginError
from automl_loss.plugins.discovery import GROUPS, Plugin, installed_plugins, settle, survey

ROOT = Path(__file__).parents[2]
EXPLODES = "raise AssertionError('imported')"


def of(package: str) -> list[Plugin]:
    return [plugin for plugin in installed_plugins() if plugin.package == package]


def test_every_entry_point_of_the_project_file_is_listed_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = {
        (kind, name, target)
        for kind, group in GROUPS.items()
        for name, target in project["entry-points"].get(group, {}).items()
    }
    listed = [(plugin.kind, plugin.name, plugin.target) for plugin in of("automl-loss")]
    assert len(stated) > 10
    assert sorted(listed) == sorted(stated)
    assert {plugin.version for plugin in of("automl-loss")} == {project["version"]}


def test_listing_imports_no_plugin(install) -> None:
    install("Acme.Losses", {"strategies": {"boom": "acme_boom:Boom"}}, {"acme_boom": EXPLODES}, "2.5")
    assert of("acme-losses") == [Plugin("strategy", "boom", "acme-losses", "2.5", "acme_boom:Boom")]
    assert "acme_boom" not in sys.modules


def test_other_entry_points_are_no_plugins(install) -> None:
    install("acme", "[console_scripts]\nacme = acme:main\n[automl_loss.unknown]\nx = acme:X\n")
    assert of("acme") == []


def test_of_a_package_seen_twice_the_copy_that_python_imports_counts(
    install, site, tmp_path, monkeypatch
) -> None:
    shadowed = tmp_path / "shadowed"
    install("acme", {"tasks": {"old": "acme:Old"}}, version="1.0", folder=shadowed)
    install("Acme", {"tasks": {"new": "acme:New"}}, version="2.0")
    monkeypatch.setattr(sys, "path", [*sys.path, str(shadowed)])
    assert [(plugin.name, plugin.version) for plugin in of("acme")] == [("new", "2.0")]


def test_a_shadowed_copy_with_plugins_does_not_count_beside_one_without(
    install, site, tmp_path, monkeypatch
) -> None:
    shadowed = tmp_path / "shadowed"
    install("acme", {"tasks": {"old": "acme:Old"}}, folder=shadowed)
    install("acme", "")
    monkeypatch.setattr(sys, "path", [*sys.path, str(shadowed)])
    assert of("acme") == []


def test_what_a_failed_uninstall_leaves_behind_harms_nobody(site) -> None:
    (site / "~cme-1.0.dist-info").mkdir()
    assert of("automl-loss")


def test_a_package_whose_metadata_cannot_be_read_is_left_out_with_a_warning(install) -> None:
    install("acme", "[automl_loss.tasks]\nno equals sign\n")
    with pytest.warns(UserWarning, match=r"acme-1\.0\.dist-info are left out.*install the package again"):
        found = installed_plugins()
    assert "acme" not in {plugin.package for plugin in found}
    assert "automl-loss" in {plugin.package for plugin in found}


def write(site: Path, name: str, metadata: str | bytes | None, entry_points: str | bytes) -> None:
    info = site / name
    info.mkdir()
    for file, text in (("METADATA", metadata), ("entry_points.txt", entry_points)):
        if text is not None:
            (info / file).write_bytes(text if isinstance(text, bytes) else text.encode())


SOUND = "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n"
ENTRY = "[automl_loss.tasks]\nx = acme:X\n"
DAMAGES = {
    "no-equals-sign": (SOUND, "[automl_loss.tasks]\nno equals sign\n", "acme 1.0", True),
    "not-utf-8": (SOUND, b"[automl_loss.tasks]\nx = \xff:X\n", "acme 1.0", True),
    "no-name": ("Metadata-Version: 2.1\nVersion: 1.0\n", ENTRY, "acme 1.0", True),
    "no-metadata": (None, ENTRY, "acme unknown", True),
    "metadata-not-utf-8": (b"Name: \xff\xfe\n", ENTRY, "acme unknown", True),
    "empty-metadata": ("", ENTRY, "acme unknown", True),
    "no-attribute": (SOUND, "[automl_loss.tasks]\nx = acme\n", "'x' of acme 1.0", True),
    "hyphen-in-the-module": (SOUND, "[automl_loss.tasks]\nx = my-acme:X\n", "'x' of acme 1.0", True),
    "two-colons": (SOUND, "[automl_loss.tasks]\nx = acme:X:Y\n", "'x' of acme 1.0", True),
    "empty-target": (SOUND, "[automl_loss.tasks]\nx = :\n", "'x' of acme 1.0", True),
    "colon-in-the-name": (SOUND, "[automl_loss.tasks]\na:b = acme:X\n", "'a:b' of acme 1.0", True),
    "escape-in-the-name": (SOUND, "[automl_loss.tasks]\n\x1b[31m = acme:X\n", "of acme 1.0", True),
    "of-another-purpose": (SOUND, "[console_scripts]\nno equals sign\n", "acme 1.0", False),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_distribution_is_named_and_harms_no_other(install, site, capsys, damage: str) -> None:
    metadata, entry_points, named, plugins = DAMAGES[damage]
    write(site, "acme-1.0.dist-info", metadata, entry_points)
    install("sound", {"tasks": {"y": "sound:Y"}})
    found = survey()
    assert [plugin.name for plugin in found.plugins if plugin.package == "sound"] == ["y"]
    assert not [plugin for plugin in found.plugins if plugin.package == "acme"]
    (told,) = (each for each in found.damages if "acme" in str(each))
    assert named in str(told)
    assert str(told).isprintable()
    assert "install" in str(told)
    assert told.plugins is plugins
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert {plugin.package for plugin in installed_plugins()} >= {"sound", "automl-loss"}
    assert len(caught) == plugins
    # Every other package asks importlib.metadata for entry points, too.
    assert "y" in importlib.metadata.entry_points(group="automl_loss.tasks").names
    assert main(["plugins", "list", "task"]) == 0
    said = capsys.readouterr()
    assert "sound:Y" in said.out
    assert said.err.count("warning: ") == 1
    assert any("acme" in finding.text for finding in check_plugins() if finding.subject == "package")


def test_of_an_entry_point_that_names_nothing_the_packages_others_count(site) -> None:
    write(site, "acme-1.0.dist-info", SOUND, "[automl_loss.tasks]\nx = acme\ny = acme:Y\n")
    assert [plugin.name for plugin in survey().plugins if plugin.package == "acme"] == ["y"]


def test_a_version_that_is_missing_is_unknown(site) -> None:
    write(site, "acme-1.0.dist-info", "Metadata-Version: 2.1\nName: acme\n", ENTRY)
    assert [p.version for p in survey().plugins if p.package == "acme"] == ["unknown"]


def test_two_distributions_of_one_name_are_told_and_the_imported_one_counts(install, site) -> None:
    install("acme", {"tasks": {"a": "acme:A"}}, version="1.0")
    install("acme", {"tasks": {"b": "acme:B"}}, version="2.0")
    found = survey()
    assert len([plugin for plugin in found.plugins if plugin.package == "acme"]) == 1
    (told,) = found.damages
    assert "do not count, since Python imports the package of that name" in str(told)
    assert not told.plugins


def test_a_damaged_distribution_stops_no_command(site) -> None:
    write(site, "acme-1.0.dist-info", SOUND, "[automl_loss.tasks]\nno equals sign\n")
    environment = {**os.environ, "PYTHONPATH": str(site)}
    program = "import automl_loss.recipe, torch, numba, pydantic; print('fine')"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize(
    ("value", "third_parties"),
    [(None, {"acme-a", "acme-b"}), ("", set()), ("acme_A", {"acme-a"}), (" acme-b , ,other", {"acme-b"})],
)
def test_autoloss_plugins_limits_third_parties_but_never_the_shipped(
    install, monkeypatch, value: str | None, third_parties: set[str]
) -> None:
    install("acme-a", {"tasks": {"a": "a:A"}})
    install("acme-b", {"tasks": {"b": "b:B"}})
    if value is None:
        monkeypatch.delenv("AUTOLOSS_PLUGINS", raising=False)
    else:
        monkeypatch.setenv("AUTOLOSS_PLUGINS", value)
    packages = {plugin.package for plugin in installed_plugins()}
    assert {package for package in packages if package.startswith("acme")} == third_parties
    assert "automl-loss" in packages


EVOMAL = Plugin("strategy", "evomal", "automl-loss", "0.1.0", "autoloss_gp.evomal:EvoMAL")
RIVAL = Plugin("strategy", "evomal", "acme", "3.1", "acme:EvoMAL")
LOCAL = Plugin("strategy", "evomal", "local", "", "/home/ada/mine.py:Mine")
WORDS = Plugin("primitive_set", "words", "automl-loss", "0.1.0", "autoloss_gp.primitives:Words")


def test_a_name_of_one_package_is_its_plugin() -> None:
    assert settle([EVOMAL, WORDS], "strategy", "evomal") is EVOMAL


def test_two_packages_with_one_name_are_an_error_that_names_both() -> None:
    with pytest.raises(PluginError) as caught:
        settle([EVOMAL, RIVAL], "strategy", "evomal")
    assert str(caught.value) == (
        "strategy 'evomal' is offered by automl-loss 0.1.0 (autoloss_gp.evomal:EvoMAL) and by acme 3.1 "
        "(acme:EvoMAL). Write 'automl-loss:evomal' or 'acme:evomal' to say which."
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [("acme:evomal", RIVAL), ("automl_loss:evomal", EVOMAL), ("local:evomal", LOCAL)],
)
def test_package_and_name_settle_it(name: str, expected: Plugin) -> None:
    assert settle([EVOMAL, RIVAL, LOCAL], "strategy", name) is expected


def test_a_local_plugin_with_an_installed_name_is_an_error_that_names_both() -> None:
    with pytest.raises(
        PluginError, match=r"automl-loss 0\.1\.0 .* and by the recipe's `plugins:` \(/home/ada/mine"
    ):
        settle([EVOMAL, LOCAL], "strategy", "evomal")


def test_one_package_with_a_name_twice_is_told_so(install) -> None:
    install("acme", "[automl_loss.tasks]\nx = acme:A\nx = acme:B\n")
    with pytest.raises(PluginError, match=r"acme:A.*acme:B.*must be unique"):
        settle(installed_plugins(), "task", "x")


def test_a_missing_name_gets_a_suggestion_and_what_is_installed() -> None:
    with pytest.raises(PluginError) as caught:
        settle([EVOMAL, WORDS], "strategy", "evomall")
    assert str(caught.value) == "no strategy 'evomall'. Did you mean 'evomal'? Installed: evomal."


def test_a_name_of_another_kind_is_told_so() -> None:
    with pytest.raises(PluginError, match="There is a plugin of that name, but its kind is primitive set"):
        settle([EVOMAL, WORDS], "strategy", "words")


def test_a_misspelt_package_gets_a_suggestion() -> None:
    with pytest.raises(PluginError, match="Did you mean 'acme:evomal'"):
        settle([EVOMAL, RIVAL], "strategy", "acmee:evomal")


def test_a_missing_name_mentions_the_limit_that_may_hide_it(monkeypatch) -> None:
    monkeypatch.setenv("AUTOLOSS_PLUGINS", "")
    with pytest.raises(
        PluginError, match=r"Installed: none\. AUTOLOSS_PLUGINS='' limits which packages count"
    ):
        settle([], "task", "mine")
