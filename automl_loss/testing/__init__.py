"""The contract kit: check the laws of a plugin's kind, in seconds, on a CPU, without network access.

`check_plugin(cls)` returns findings and needs no pytest; `autoloss plugins check NAME` prints them. In a package's own
tests, derive from the class of the kind and override one fixture:

    from automl_loss.testing import StrategyContract

    class TestMine(StrategyContract):
        @pytest.fixture
        def plugin(self):
            return Mine
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_loss.testing.check import check_plugin as check_plugin
    from automl_loss.testing.contracts import EvaluatorContract as EvaluatorContract
    from automl_loss.testing.contracts import ExecutorContract as ExecutorContract
    from automl_loss.testing.contracts import ModelContract as ModelContract
    from automl_loss.testing.contracts import PrimitiveSetContract as PrimitiveSetContract
    from automl_loss.testing.contracts import StrategyContract as StrategyContract
    from automl_loss.testing.contracts import TaskContract as TaskContract
    from automl_loss.testing.law import Finding as Finding

_HOMES = {
    "check_plugin": "check",
    "Finding": "law",
    "StrategyContract": "contracts",
    "PrimitiveSetContract": "contracts",
    "TaskContract": "contracts",
    "ModelContract": "contracts",
    "EvaluatorContract": "contracts",
    "ExecutorContract": "contracts",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the classes need pytest, `check_plugin` does not."""
    if name not in _HOMES:
        raise AttributeError(f"module 'automl_loss.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"automl_loss.testing.{_HOMES[name]}"), name)
