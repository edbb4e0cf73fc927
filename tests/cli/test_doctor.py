"""`autoloss doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.packages import STRATEGY, install

from automl_loss.cli import main
from automl_loss.plugins.loading import Registry


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("AUTOLOSS_PLUGINS", raising=False)


def test_a_sound_installation_is_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert f"torch: {torch.__version__}" in shown
    count = len(Registry().plugins())
    assert f"plugins: {count} of {count} load" in shown
    assert "FAULT" not in shown
    assert shown.endswith("All is in order.\n")


def test_a_broken_plugin_is_named_and_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(tmp_path, "broken", "ruin = broken_ruin:Ruin", {"broken_ruin": "import no_such_module_anywhere"})
    assert main(["doctor"]) == 3
    fault = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("FAULT"))
    assert "strategy 'ruin' of broken 1.0 cannot be imported" in fault
    assert "Install what provides the module 'no_such_module_anywhere'" in fault


def test_rivals_are_a_note_and_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("acme", "bulk"):
        module = f"{package}_rival"
        install(tmp_path, package, f"rival = {module}:Rival", {module: STRATEGY.format(name="Rival")})
    assert main(["doctor"]) == 0
    assert "strategy 'rival' is offered 2 times; write acme:rival or bulk:rival" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").write_text("a file where the folder of runs belongs")
    assert main(["doctor"]) == 1
    assert "FAULT  folder of runs" in capsys.readouterr().out


def test_no_folder_for_compiled_kernels_is_a_note(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from automl_loss.engine.kernels import _entries

    class Uncached:
        class stats:
            cache_path = None

    monkeypatch.setattr(_entries, "value", Uncached)
    assert main(["doctor"]) == 0
    assert "Set NUMBA_CACHE_DIR" in capsys.readouterr().out
