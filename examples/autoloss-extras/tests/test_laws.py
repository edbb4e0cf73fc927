"""Every law of each plugin's kind, by the contract kit."""

# ruff: noqa: D101, D102

import pytest
from autoloss_extras.ageing import Ageing
from autoloss_extras.calibrated import Calibrated
from autoloss_extras.friedman import Friedman
from autoloss_extras.smooth import Smooth

from automl_loss.testing import EvaluatorContract, PrimitiveSetContract, StrategyContract, TaskContract


class TestSmooth(PrimitiveSetContract):
    @pytest.fixture
    def plugin(self):
        return Smooth


class TestAgeing(StrategyContract):
    @pytest.fixture
    def plugin(self):
        return Ageing

    @pytest.fixture(
        params=[{}, {"population": 3, "sample": 2, "children": 2, "cycles": 12}], ids=["usual", "short"]
    )
    def options(self, request):
        return request.param


class TestFriedman(TaskContract):
    @pytest.fixture
    def plugin(self):
        return Friedman

    @pytest.fixture(
        params=[{}, {"function": 2}, {"function": 3, "degrees": 1.5}], ids=["first", "second", "third"]
    )
    def options(self, request):
        return request.param


class TestCalibrated(EvaluatorContract):
    @pytest.fixture
    def plugin(self):
        return Calibrated
