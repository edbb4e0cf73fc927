"""Define base classes for the tests of a plugin; a derived class with one fixture tests every law of its kind."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from automl_loss.plugins.discovery import PluginKind
from automl_loss.testing.check import laws_of
from automl_loss.testing.law import Law, Subject


class _Contract:
    kind: ClassVar[PluginKind]

    @pytest.fixture
    def plugin(self) -> type[Any]:
        """The class under test; override it."""
        raise NotImplementedError("override the fixture `plugin`: return your plugin's class.")

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        """Options of its `Config`; override it where the defaults are not suitable."""
        return {}

    def _check(self, law: Law, plugin: type[Any], options: dict[str, Any]) -> None:
        finding = law.check(Subject(plugin, self.kind, options))
        if finding is not None and finding.skipped:
            pytest.skip(finding.seen)
        assert finding is None, str(finding)


def _contract(kind: PluginKind, name: str) -> type[_Contract]:
    laws = laws_of(kind)

    @pytest.mark.parametrize("law", laws, ids=[law.name for law in laws])
    def test_law(self: _Contract, law: Law, plugin: type[Any], options: dict[str, Any]) -> None:
        self._check(law, plugin, options)

    body = {
        "kind": kind,
        "test_law": test_law,
        "__doc__": f"Every law of the kind {kind}.",
        "__module__": __name__,
    }
    return type(name, (_Contract,), body)


StrategyContract = _contract("strategy", "StrategyContract")
PrimitiveSetContract = _contract("primitive_set", "PrimitiveSetContract")
TaskContract = _contract("task", "TaskContract")
ModelContract = _contract("model", "ModelContract")
EvaluatorContract = _contract("evaluator", "EvaluatorContract")
ExecutorContract = _contract("executor", "ExecutorContract")
