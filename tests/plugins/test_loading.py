from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass

import pydantic
import pytest
from loky import ProcessPoolExecutor
from support.packages import STRATEGY

from automl_loss.errors import PluginError
from automl_loss.plugins import loading
from automl_loss.plugins.discovery import PluginKind
from automl_loss.plugins.loading import LoadedPlugin, Registry, load_file

RIVAL = "import sys\nsys.rival_was_imported = True\n" + STRATEGY.format(name="Rival")


@dataclass(frozen=True)
class Local:
    kind: PluginKind
    name: str
    path: str


def test_loading_gives_the_class_at_the_target(install) -> None:
    install("acme", {"strategies": {"nothing": "acme:Nothing"}}, {"acme": STRATEGY.format(name="Nothing")})
    loaded = Registry().load("strategy", "nothing")
    assert loaded.cls is sys.modules["acme"].Nothing
    assert loaded.summary == "Proposes nothing."
    assert (loaded.plugin.package, loaded.plugin.version) == ("acme", "1.0")


def test_every_shipped_plugin_keeps_the_contract() -> None:
    registry = Registry()
    shipped = [plugin for plugin in registry.plugins() if plugin.package == "automl-loss"]
    assert len(shipped) > 10
    for plugin in shipped:
        loaded = registry.load(plugin.kind, f"automl-loss:{plugin.name}")
        assert loaded.plugin == plugin
        assert f"{loaded.cls.__module__}:{loaded.cls.__name__}" == plugin.target


def test_a_registry_imports_a_plugin_once(install) -> None:
    install("acme", {"strategies": {"nothing": "acme:Nothing"}}, {"acme": STRATEGY.format(name="Nothing")})
    registry = Registry()
    assert registry.load("strategy", "nothing") is registry.load("strategy", "acme:nothing")


def test_package_and_name_do_not_import_the_rival(install, monkeypatch) -> None:
    monkeypatch.setattr(sys, "rival_was_imported", False, raising=False)
    install("rival", {"strategies": {"x": "rival:Rival"}}, {"rival": RIVAL})
    install("acme", {"strategies": {"x": "acme:Mine"}}, {"acme": STRATEGY.format(name="Mine")})
    registry = Registry()
    with pytest.raises(PluginError, match=r"acme 1\.0 .* and by rival 1\.0"):
        registry.load("strategy", "x")
    assert registry.load("strategy", "acme:x").cls.__name__ == "Mine"
    assert not sys.rival_was_imported
    assert registry.load("strategy", "rival:x").cls.__name__ == "Rival"
    assert sys.rival_was_imported


BROKEN = {
    "missing_dependency": (
        "import no_such_module_anywhere",
        "ModuleNotFoundError: No module named 'no_such_module_anywhere'. "
        "Install what provides the module 'no_such_module_anywhere', or leave acme out",
    ),
    "import_error": ("from json import no_such_name", "ImportError: cannot import name 'no_such_name'"),
    "syntax_error": ("def broken(:\n    pass", "SyntaxError: "),
    "assertion_error": ("assert False", "AssertionError. Install another version of acme, or leave acme out"),
    "system_exit": ("raise SystemExit(7)", "SystemExit: 7. Install another version of acme"),
    "plugin_error": (
        "from automl_loss import PluginError\nraise PluginError('own')",
        "PluginError: own. Install",
    ),
    "attribute_error": ("", "AttributeError: module 'acme' has no attribute 'Mine'. Install another version"),
    "recursion": ("def f():\n    f()\nf()", "RecursionError: "),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_whatever_a_plugin_raises_at_import_is_an_error_that_names_it_and_harms_no_other(
    install, fault: str
) -> None:
    source, said = BROKEN[fault]
    install("acme", {"strategies": {"mine": "acme:Mine"}}, {"acme": source})
    install("sound", {"strategies": {"other": "sound:Other"}}, {"sound": STRATEGY.format(name="Other")})
    registry = Registry()
    with pytest.raises(PluginError) as caught:
        registry.load("strategy", "mine")
    message = str(caught.value)
    assert message.startswith("strategy 'mine' of acme 1.0 cannot be imported (acme:Mine): ")
    assert said in message
    assert "AUTOLOSS_PLUGINS" in message
    assert caught.value.__cause__ is not None
    assert registry.load("strategy", "other").cls.__name__ == "Other"
    assert registry.load("model", "linear").plugin.package == "automl-loss"


def test_ctrl_c_while_a_plugin_is_imported_is_no_fault_of_the_plugin(install) -> None:
    install("acme", {"strategies": {"mine": "acme:Mine"}}, {"acme": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        Registry().load("strategy", "mine")


def test_an_entry_point_without_its_module_is_a_fault_of_the_package(install) -> None:
    install("acme", {"strategies": {"mine": "acme_absent.part:Mine"}})
    with pytest.raises(PluginError, match=r"No module named 'acme_absent'\. Install another version of acme"):
        Registry().load("strategy", "mine")


def test_a_mended_plugin_loads_without_a_new_process(install, site) -> None:
    install("acme", {"strategies": {"mine": "acme:Mine"}}, {"acme": "assert False"})
    with pytest.raises(PluginError):
        Registry().load("strategy", "mine")
    (site / "acme.py").write_text("# mended\n" + STRATEGY.format(name="Mine"))
    assert Registry().load("strategy", "mine").summary == "Proposes nothing."


def test_a_package_installed_meanwhile_is_found_by_a_new_registry(install) -> None:
    with pytest.raises(PluginError, match="no strategy 'late'"):
        Registry().load("strategy", "late")
    install("acme", {"strategies": {"late": "acme:Late"}}, {"acme": STRATEGY.format(name="Late")})
    assert Registry().load("strategy", "late").cls.__name__ == "Late"


def test_a_local_plugin_is_loaded_from_its_file(tmp_path) -> None:
    (tmp_path / "mine.py").write_text(STRATEGY.format(name="Mine"))
    loaded = Registry([Local("strategy", "mine", f"{tmp_path}/mine.py:Mine")]).load("strategy", "mine")
    assert loaded.cls.__name__ == "Mine"
    assert loaded.plugin.is_local


def test_a_local_plugin_may_be_in_an_installed_module(install) -> None:
    install("acme", "", {"acme": STRATEGY.format(name="Mine")})
    registry = Registry([Local("strategy", "mine", "acme:Mine")])
    assert registry.load("strategy", "mine").cls is sys.modules["acme"].Mine


@pytest.mark.parametrize(
    ("source", "path", "said"),
    [
        (None, "mine.py:Mine", "FileNotFoundError"),
        (
            "import no_such_module_anywhere",
            "mine.py:Mine",
            "Install what provides the module 'no_such_module",
        ),
        ("1 / 0", "mine.py:Mine", "ZeroDivisionError: division by zero. Mend "),
        ("x = 1", "mine.py:Mine", "has no attribute 'Mine'. Mend "),
    ],
)
def test_a_broken_local_plugin_says_where_and_what_to_do(
    tmp_path, source: str | None, path: str, said: str
) -> None:
    if source is not None:
        (tmp_path / "mine.py").write_text(source)
    with pytest.raises(PluginError) as caught:
        Registry([Local("strategy", "mine", f"{tmp_path}/{path}")]).load("strategy", "mine")
    assert said in str(caught.value)
    assert f"{tmp_path}/mine.py" in str(caught.value)
    with pytest.raises(PluginError) as alone:
        load_file(f"{tmp_path}/{path}")
    assert str(alone.value).startswith(f"{tmp_path}/{path} cannot be imported: ")
    assert said in str(alone.value) or source is None
    assert "_2f" not in str(caught.value) + str(alone.value)


def test_an_import_that_does_not_end_is_named_while_it_lasts(tmp_path, monkeypatch, caplog) -> None:
    (tmp_path / "mine.py").write_text("import time\ntime.sleep(1)\n" + STRATEGY.format(name="Mine"))
    monkeypatch.setattr(loading, "_LONG", 0.1)
    registry = Registry([Local("strategy", "mine", f"{tmp_path}/mine.py:Mine")])
    assert registry.load("strategy", "mine").cls.__name__ == "Mine"
    assert f"still importing strategy 'mine' of the recipe's `plugins:` ({tmp_path}" in caplog.text
    caplog.clear()
    monkeypatch.setattr(loading, "_LONG", 1000.0)
    Registry().load("strategy", "random")
    assert caplog.text == ""


def test_options_are_validated_by_the_plugins_own_config() -> None:
    registry = Registry()
    config = registry.config("model", "mlp", {"hidden": [3, 4]})
    assert config.hidden == (3, 4)
    assert type(config) is registry.load("model", "mlp").config
    with pytest.raises(pydantic.ValidationError) as caught:
        registry.config("model", "mlp", {"hidden": ["3"], "hiden": [1]})
    assert {error["loc"] for error in caught.value.errors()} == {("hidden", 0), ("hiden",)}


def test_a_loaded_plugin_pickles_by_reference_and_is_loaded_anew_in_another_process(tmp_path) -> None:
    (tmp_path / "mine.py").write_text(STRATEGY.format(name="Mine"))
    registry = Registry([Local("strategy", "mine", f"{tmp_path}/mine.py:Mine")])
    loaded = [registry.load("strategy", "mine"), registry.load("model", "linear")]
    data = pickle.dumps([loaded, loaded[0].cls])
    program = (
        "import pickle, sys\n"
        "(local, linear), cls = pickle.load(sys.stdin.buffer)\n"
        "assert local.cls is cls\n"
        "print(local.plugin.name, local.summary, linear.cls.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "mine Proposes nothing. LinearModel"
    assert isinstance(pickle.loads(data)[0][0], LoadedPlugin)


def test_a_local_plugin_works_in_a_spawned_worker(tmp_path) -> None:
    (tmp_path / "mine.py").write_text(
        "from automl_loss import ModelFactory\n"
        "from torch import nn\n\n\n"
        "class Mine(ModelFactory):\n"
        "    '''One layer.'''\n\n"
        "    def build(self, input_shape, output_dim):\n"
        "        return nn.Linear(input_shape[0], output_dim)\n"
    )
    loaded = Registry([Local("model", "mine", f"{tmp_path}/mine.py:Mine")]).load("model", "mine")
    model = loaded.cls(loaded.config())
    with ProcessPoolExecutor(max_workers=1) as pool:
        process, layer = pool.submit(lambda: (os.getpid(), model.build((4,), 3))).result(timeout=200)
    assert process != os.getpid()
    assert (layer.in_features, layer.out_features) == (4, 3)
