"""What importing the lower layers costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
import automl_loss.expression, automl_loss.losses
from automl_loss.expression import canonical_key, compile_program, parse, to_source
from automl_loss.losses import Problem, SymbolicLoss, catalogue, formula, loss_from_json, render_module
tree = parse("mul(-1, mul(y, log(f)))")
loss = loss_from_json(SymbolicLoss(tree).to_json())
loss.key, loss.program, formula(loss), catalogue(Problem.regression((2,)))
render_module(loss, Problem.classification((2,), 3))
print(*[name for name in ("torch", "sympy", "optuna", "numba", "sklearn") if name in sys.modules])
"""


@pytest.mark.parametrize("heavy", ["torch", "sympy", "optuna", "numba", "sklearn"])
def test_nothing_heavy_is_imported_to_read_name_and_write_losses(heavy: str, imported: str) -> None:
    assert heavy not in imported.split()


@pytest.fixture(scope="module")
def imported() -> str:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
