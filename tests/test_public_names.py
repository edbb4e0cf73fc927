"""What `import automl_loss` offers."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import automl_loss


@pytest.mark.parametrize("name", automl_loss.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(automl_loss, name) is not None
    assert name in dir(automl_loss)


def test_every_public_name_has_a_home_that_type_checkers_see() -> None:
    stub = ast.parse(Path(automl_loss.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            home = importlib.import_module(f"automl_loss.{node.module}")
            for alias in node.names:
                assert getattr(automl_loss, alias.name) is getattr(home, alias.name)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'automl_loss' has no attribute 'nothing'"):
        automl_loss.nothing  # noqa: B018


def test_importing_the_package_and_the_plugin_classes_loads_neither_torch_nor_optuna() -> None:
    program = (
        "import sys, automl_loss\n"
        "from automl_loss import SearchStrategy, Evaluator, Task, ModelFactory, Executor, PrimitiveSet\n"
        "print([name for name in ('torch', 'optuna', 'numba', 'sklearn') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
