"""The base classes, used as a plugin author would; the kit's own laws run as tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import broken

from automl_loss.testing import (
    EvaluatorContract,
    ExecutorContract,
    ModelContract,
    PrimitiveSetContract,
    StrategyContract,
    TaskContract,
)


class TestStrategy(StrategyContract):
    @pytest.fixture
    def plugin(self) -> type[Any]:
        return broken.Sound


class TestPrimitives(PrimitiveSetContract):
    @pytest.fixture
    def plugin(self) -> type[Any]:
        return broken.Words


class TestTask(TaskContract):
    @pytest.fixture
    def plugin(self) -> type[Any]:
        return broken.Rows


class TestModel(ModelContract):
    @pytest.fixture
    def plugin(self) -> type[Any]:
        return broken.Layer


class TestEvaluator(EvaluatorContract):
    @pytest.fixture
    def plugin(self) -> type[Any]:
        return broken.Lengths


class TestExecutor(ExecutorContract):
    @pytest.fixture
    def plugin(self) -> type[Any]:
        return broken.Here


def test_a_broken_plugin_fails_the_test_of_its_law_alone(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import pytest\nfrom support.broken import FromZero\nfrom automl_loss.testing import StrategyContract\n\n\n"
        "class TestMine(StrategyContract):\n    @pytest.fixture\n    def plugin(self):\n        return FromZero\n"
    )
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)],
        capture_output=True, text=True, env={"PYTHONPATH": str(tests), "PATH": "", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "1 failed, 13 passed" in done.stdout, done.stdout + done.stderr
    assert "Count what was asked" in done.stdout


def test_the_check_needs_no_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from automl_loss.testing import check_plugin\n"
        "from autoloss_baselines.handcrafted import Handcrafted\n"
        "assert check_plugin(Handcrafted) == []"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
