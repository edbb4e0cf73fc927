# ruff: noqa: PT012, PT031  (the plugin's code stands in the blocks)
"""What a plugin changes of the process is put back, and said once."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from automl_loss.plugins.process_state import TORCH_RANDOM, forget, kept


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    forget()
    yield
    forget()


def draws(count: int = 3) -> list[float]:
    return [random.random() for _ in range(count)]


def test_code_that_changes_nothing_is_not_spoken_of() -> None:
    state, filters = random.getstate(), list(warnings.filters)
    with kept("acme"):
        torch.zeros(3)
    assert random.getstate() == state
    assert warnings.filters == filters


def test_every_kind_is_said_once_a_run_and_put_back_each_time() -> None:
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with kept("acme"):
                torch.set_default_dtype(torch.float64)
                np.seterr(all="raise")
        assert torch.get_default_dtype() is torch.float32
        assert np.geterr()["invalid"] == "warn"
        said = [str(each.message) for each in caught]
        if said:
            assert len(said) == 2
            assert said[0].startswith(
                "acme changed torch's default dtype of the whole process; it was put back."
            )
    assert said == []


def test_what_a_plugin_changes_before_it_fails_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        pytest.warns(UserWarning, match="the working directory"),
        pytest.warns(UserWarning, match="the environment variables"),
        pytest.raises(KeyError),
        kept("acme"),
    ):
        os.chdir("/")
        os.environ["ACME"] = "1"
        del os.environ["PATH"]
        raise KeyError
    assert Path.cwd() == tmp_path
    assert "ACME" not in os.environ
    assert "PATH" in os.environ


def test_a_plugin_that_draws_from_global_randomness_goes_on_from_its_own_state_and_nobody_else_sees_it() -> (
    None
):
    random.seed(5)
    expected = draws(6)
    random.seed(7)
    others = draws(4)
    random.seed(7)
    found, seen = [], []
    with pytest.warns(UserWarning, match="Python's random state"):
        for turn in range(2):
            with kept("acme"):
                if turn == 0:
                    random.seed(5)
                found += draws()
            seen += draws(2)
    assert found == expected
    assert seen == others


def test_the_core_runs_under_the_settings_outside_while_a_plugin_calls_it() -> None:
    with pytest.warns(UserWarning, match="torch's default dtype"), kept("acme") as stretch:
        torch.set_default_dtype(torch.float64)
        with stretch.core():
            assert torch.get_default_dtype() is torch.float32
    assert torch.get_default_dtype() is torch.float32


def test_filters_that_libraries_add_for_their_own_messages_stay() -> None:
    with warnings.catch_warnings():
        with kept("acme"):
            warnings.filterwarnings("ignore", message="only of acme")
        assert any(each[1] is not None and "only of acme" in each[1].pattern for each in warnings.filters)
        with pytest.warns(UserWarning, match="the warning filters"), kept("acme"):
            warnings.simplefilter("ignore")


def test_a_model_may_draw_from_torchs_generator_and_from_no_other() -> None:
    with kept("acme", but=(TORCH_RANDOM,)):
        torch.rand(2)
    with pytest.warns(UserWarning, match="numpy's random state"), kept("acme", but=(TORCH_RANDOM,)):
        np.random.rand(2)  # noqa: NPY002


def test_streams_that_a_plugin_replaces_come_back() -> None:
    out = sys.stdout
    with open(os.devnull, "w") as nowhere, pytest.warns(UserWarning, match=r"sys\.stdout"), kept("acme"):
        sys.stdout = nowhere
    assert sys.stdout is out
