"""Every fault of a plugin ends as an outcome, a warning, or an error that names the plugin, and harms nothing else."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.plugin_faults import FAULTS, GROUPS, SECTIONS, Fault
from support.recipes import tiny

from automl_loss import AutolossError, EvaluationError, PluginError, RecipeError, Result, run
from automl_loss.errors import NoValidCandidateError
from automl_loss.plugins.process_state import TORCH_RANDOM, Kept

SAMPLE = (
    "numpy-ids", "object-parents", "nan-lr", "scale-zero", "numpy-fitness", "rows-as-lists", "nan-test-rows",
    "test-rows-are-training-rows", "outputs-nan", "ask-changes-default-dtype", "close-raises", "metric-raises",
)  # fmt: skip
ENDINGS: dict[str, type[AutolossError]] = {
    "plugin": PluginError,
    "plugin-by-path": PluginError,
    "recipe": RecipeError,
    "evaluation": EvaluationError,
    "valid": NoValidCandidateError,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, on the path; modules imported from it are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("AUTOLOSS_PLUGINS", raising=False)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def recipe(fault: Fault, place: Path) -> dict[str, Any]:
    """Install the faulty plugin as package acme 1.0, or write its module; a tiny recipe that names it."""
    own: dict[str, Any] = {}
    if fault.kind == "import":
        (place / f"thing_{fault.name.replace('-', '_')}.py").write_text(fault.source)
    else:
        module = f"acme_{fault.kind}_{fault.name.replace('-', '_')}"
        (place / f"{module}.py").write_text(fault.source)
        info = place / "acme-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[automl_loss.{GROUPS[fault.kind]}]\nmine = {module}:Mine\n")
        own = {SECTIONS[fault.kind]: {"name": "mine"}}
    off = dict.fromkeys(("equivalence", "gradient", "rejection", "gradient_equivalence"), False)
    return tiny(
        **{
            "task": {"name": "wine"},
            "strategy": {"name": "random", "population": 2, "generations": 1},
            "evaluator": {"name": "partial-training"},
            "filters": off,
            "training": {"steps": 4, "lr": 0.05, "batch_size": 16},
            "finalists": {"count": 1, "seeds": 1, "steps": 4, "lr_factors": [1.0], "handcrafted": 0},
            "retraining": {"seeds": 2, "steps": 4, "lr": 0.05},
            **own,
            **fault.sections,
        }
    )


def settings() -> Kept:
    """The settings of the process, noted."""
    noted = Kept("nobody", (TORCH_RANDOM,))
    noted.enter()
    return noted


def check(fault: Fault, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run, and compare the ending; the process is as it was."""
    result: Result | None = None
    error: AutolossError | None = None
    said: list[str] = []
    before = (torch.get_default_dtype(), np.geterr(), torch.is_grad_enabled(), list(sys.path), Path.cwd())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = run(
                recipe(fault, place), lambda told: said.append(told.message), directory="run", report=False
            )
        except AutolossError as raised:  # anything else fails the test
            error = raised
    assert before == (
        torch.get_default_dtype(), np.geterr(), torch.is_grad_enabled(), list(sys.path), Path.cwd()
    )  # fmt: skip
    warned = [str(each.message) for each in caught if issubclass(each.category, UserWarning)]
    if fault.ending in ENDINGS:
        assert isinstance(error, ENDINGS[fault.ending]), (error, warned)
        for text in fault.texts:
            assert text in str(error), str(error)
        assert not (fault.early and Path("run").exists())
        return
    assert error is None, error
    assert result is not None
    if fault.ending == "verdict":
        assert all(text in result.verdict for text in fault.texts), result.verdict
        assert warned == []
        return
    assert np.isfinite(result.data["test"]["task_loss"]["mean"])
    if fault.ending == "warning":
        named = [text for text in warned if all(part in text for part in fault.texts)]
        assert len(named) == 1, warned
        return
    assert warned == []
    if fault.ending == "notice":
        assert any(all(text in message for text in fault.texts) for message in said), said
    elif fault.ending == "outcome":
        status, *texts = fault.texts
        assert result.outcomes[1].status.value == status
        assert all(text in result.outcomes[1].message for text in texts)
    else:
        assert fault.ending == "result"
        for outcome in result.outcomes.values():
            assert type(outcome.id) is int
            assert type(outcome.fitness) is float
            assert all(type(value) in (int, float) for value in outcome.metrics.values())


def named(fault: Fault) -> str:
    return f"{fault.kind}-{fault.name}"


def test_there_are_a_hundred_faults_and_no_two_of_one_name() -> None:
    assert len({named(fault) for fault in FAULTS}) == len(FAULTS) >= 100
    assert {fault.kind for fault in FAULTS} == {*GROUPS, "import"}
    assert {fault.name for fault in FAULTS} >= set(SAMPLE)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name in SAMPLE], ids=named)
def test_a_fault_of_a_plugin_ends_as_it_should(
    fault: Fault, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(fault, place, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name not in SAMPLE], ids=named)
def test_every_fault_of_a_plugin_ends_as_it_should(
    fault: Fault, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(fault, place, capsys)
