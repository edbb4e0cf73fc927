"""The program as a whole: what it loads, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.packages import STRATEGY, install

import automl_loss
from automl_loss.cli import main

PROGRAM = [sys.executable, "-m", "automl_loss.cli"]
WITH_SCHEMA = """
import errno, os, signal, time
from automl_loss import PluginConfig, SearchStrategy

class Odd(SearchStrategy):
    '''Does something odd when its options are asked for.'''

    class Config(PluginConfig):
        @classmethod
        def model_json_schema(cls):
            {action}

    def ask(self):
        return []

    def tell(self, outcomes):
        return
"""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages may be installed; the working directory is another one."""
    (tmp_path / "site").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delenv("AUTOLOSS_PLUGINS", raising=False)
    return tmp_path / "site"


def odd_plugin(site: Path, action: str) -> list[str]:
    """Install a plugin that acts as told inside a command, and give that command's words."""
    module = f"odd_{abs(hash(action))}"
    install(site, "odd", f"odd = {module}:Odd", {module: WITH_SCHEMA.format(action=action)})
    return ["plugins", "show", "odd"]


def with_site(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(site)}


def test_help_loads_no_heavy_module() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *PROGRAM[1:], "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    for command in ("run", "top", "export", "doctor", "recipes", "plugins"):
        assert f"│ {command} " in done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert {"automl_loss", "typer"} <= loaded
    heavy = {"torch", "optuna", "numba", "stevedore", "numpy", "pydantic", "sympy", "sklearn", "deap"}
    assert not loaded & heavy


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"autoloss {automl_loss.__version__}\n"


@pytest.mark.parametrize("module", ["automl_loss", "automl_loss.cli"])
def test_both_modules_are_the_program(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout[:9], done.stderr) == (0, "autoloss ", "")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("run quickstart -s strategy.populaton=3", 2, "Did you mean 'population'?"),
        ("run absent.yaml", 2, "absent.yaml: no such file"),
        ("run quickstart -s strategy.name=evomall", 3, "Did you mean 'evomal'?"),
        ("run quickstart -s strategy.name=broken", 3, "No module named 'no_such_module_anywhere'"),
        ("run quickstart --resume -o absent", 5, "absent: the directory to resume does not exist"),
        (f"run quickstart -o {os.devnull}/x", 1, f"{os.devnull}/x: cannot be written"),
        ("export absent", 2, "absent: there is no such file"),
    ],
)
def test_a_fault_has_its_exit_code_and_one_message_without_traceback(
    site: Path, capfd: pytest.CaptureFixture[str], words: str, code: int, said: str
) -> None:
    module = {"broken_import": "import no_such_module_anywhere"}
    install(site, "broken", "broken = broken_import:Broken", module)
    assert main(words.split()) == code
    streams = capfd.readouterr()
    assert streams.err.startswith("autoloss: ")
    assert said in streams.err
    assert streams.err.count("\n") == 1
    assert streams.out == ""


@pytest.mark.parametrize(
    "words", [["nonsense"], ["run"], ["top", ".", "-n", "0"], ["run", "quickstart", "--x"]]
)
def test_wrong_usage_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "Usage: autoloss" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--debug", "run", "absent.yaml"], ["run", "--debug", "absent.yaml"], ["run", "absent.yaml", "--debug"]],
)
def test_debug_anywhere_adds_the_traceback(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback (most recent call last):")
    assert shown.splitlines()[-1].startswith("autoloss: absent.yaml: no such file")


def test_debug_after_two_dashes_is_a_word_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--", "--debug"]) == 2
    assert capsys.readouterr().err.startswith("autoloss: --debug: no such file")


def test_a_bug_is_called_one_in_one_line_that_says_where(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(odd_plugin(site, "raise ValueError('the answer is\\n  43')")) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("autoloss: ValueError: the answer is 43 in model_json_schema (")
    assert "This is a bug of automl-loss or of a plugin" in shown
    assert "--debug" in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("ENOSPC", "/data/run: No space left on device. Free some space"),
        ("EROFS", "/data/run: Read-only file system. Choose a folder that can be written"),
        ("EACCES", "/data/run: Permission denied. Change its permissions"),
    ],
)
def test_what_the_system_refuses_is_told_with_path_and_remedy(
    site: Path, capsys: pytest.CaptureFixture[str], fault: str, said: str
) -> None:
    action = f"raise OSError(errno.{fault}, os.strerror(errno.{fault}), '/data/run')"
    assert main(odd_plugin(site, action)) == 1
    assert capsys.readouterr().err.startswith(f"autoloss: {said}")


def test_ctrl_c_ends_with_130(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(odd_plugin(site, "raise KeyboardInterrupt")) == 130
    assert capsys.readouterr().err == "autoloss: interrupted.\n"


def test_sigterm_is_as_good_as_ctrl_c(site: Path) -> None:
    words = odd_plugin(site, "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)")
    done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, env=with_site(site), timeout=50)
    assert (done.returncode, done.stderr) == (130, "autoloss: interrupted.\n")


def test_a_reader_that_goes_away_is_no_error_to_tell() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, "plugins", "list"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_output_to_a_full_disk_is_told_and_ends_with_1() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, "plugins", "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("autoloss: No space left on device. Free some space")
    assert done.stderr.count("\n") == 1


def test_a_sound_plugin_of_another_package_is_shown(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(site, "acme", "mine = acme_mine:Mine", {"acme_mine": STRATEGY.format(name="Mine")})
    assert main(["plugins", "show", "mine"]) == 0
    assert "Proposes nothing." in capsys.readouterr().out
