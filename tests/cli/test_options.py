"""Options of a plugin in words."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from automl_loss import PluginConfig
from automl_loss.cli._options import describe_options


class Inner(PluginConfig):
    rate: float = 0.0


class Options(PluginConfig):
    needed: int = Field(description="must be given")
    width: int = Field(64, ge=1)
    share: float = Field(0.5, gt=0, le=1, description="of the rows")
    mode: Literal["a", "b"] = "a"
    on: bool = True
    name: str | None = None
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[int, str] = (0, "x")
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("needed", "needed (required) integer must be given"),
        ("width", "width = 64 integer >= 1"),
        ("share", "share = 0.5 number > 0 and <= 1 of the rows"),
        ("mode", 'mode = "a" "a" or "b"'),
        ("on", "on = true true or false"),
        ("name", "name = null text or null"),
        ("sizes", "sizes = [1, 2] list of integer"),
        ("pair", 'pair = [0, "x"] [integer, text]'),
        ("inner", 'inner = {"rate": 0.0} mapping'),
    ],
)
def test_an_option_is_told_by_name_default_type_and_meaning(option: str, words: str) -> None:
    lines = {
        line.split()[0]: " ".join(line.split()) for line in describe_options(Options.model_json_schema())
    }
    assert len(lines) == len(Options.model_fields)
    assert lines[option] == words


def test_no_options_are_no_lines() -> None:
    assert describe_options(PluginConfig.model_json_schema()) == []
