"""Streams that are closed or full, a dozen Ctrl-C at once, and helper processes that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.recipes import tiny

PROGRAM = [sys.executable, "-m", "automl_loss.cli"]


def recipe(tmp_path: Path, **changes: Any) -> list[str]:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(tiny(**changes)))
    return ["run", str(file), "-o", str(tmp_path / "out"), "--no-report"]


def interruptible() -> None:
    """A background job's children ignore Ctrl-C unless they say otherwise."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("words", [["plugins", "list"], ["--help"], ["recipes", "list"]])
@pytest.mark.parametrize("closed", [">&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(words: list[str], closed: str) -> None:
    line = f'"$@" {closed}'
    ended = subprocess.run(
        ["sh", "-c", line, "sh", *PROGRAM, *words], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.slow
def test_a_run_without_any_stream_writes_its_files_and_nothing_into_them(tmp_path: Path) -> None:
    words = recipe(tmp_path)
    subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *PROGRAM, *words], check=True)
    assert (tmp_path / "out" / "result.json").exists()
    ended = subprocess.run(
        [*PROGRAM, "doctor", str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_stdout_is_said_once() -> None:
    ended = subprocess.run(
        ["sh", "-c", '"$@" > /dev/full', "sh", *PROGRAM, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("autoloss: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_dozen_ctrl_c_end_a_run_once_without_a_traceback(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    words = recipe(tmp_path, training={"steps": 400, "lr": 0.05}, executor={"workers": 2})
    with subprocess.Popen(
        [*PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=interruptible,
    ) as process:
        time.sleep(rng.uniform(3.0, 12.0))
        for _ in range(12):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(rng.choice([0.0, 0.02, 0.2]))
        said = process.communicate(timeout=120)[0]
    assert "Traceback" not in said
    assert (process.returncode, "interrupted" in said) in ((130, True), (0, False))


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_a_run_whose_helper_processes_are_killed_comes_to_its_end(tmp_path: Path) -> None:
    words = recipe(tmp_path, training={"steps": 300, "lr": 0.05}, executor={"workers": 2})
    killed: set[str] = set()
    with subprocess.Popen(
        [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        while process.poll() is None and len(killed) < 2:
            for child in children(process.pid):
                line = Path(f"/proc/{child}/cmdline").read_text()
                kind = (
                    "tracker"
                    if "loky.backend.resource_tracker" in line
                    else "worker"
                    if "LokyProcess" in line
                    else ""
                )
                if kind and kind not in killed and time.time() - Path(f"/proc/{child}").stat().st_ctime > 4:
                    killed.add(kind)
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.3)
        said = process.communicate(timeout=240)[0]
    assert killed == {"tracker", "worker"}
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert (tmp_path / "out" / "result.json").exists()
