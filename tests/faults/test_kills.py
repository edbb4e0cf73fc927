"""A few rounds of `kills.py`; the long run is started by hand, and its figures are in docs/reliability.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_what_is_killed_again_and_again_comes_to_what_nobody_killed() -> None:
    script = Path(__file__).with_name("kills.py")
    ended = subprocess.run(
        [sys.executable, str(script), "--kills", "30", "--seed", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 differences" in ended.stdout
