"""A plugin source with plugins that are made for these tests, and a shorthand for loading."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pytest
from pydantic import BaseModel, Field, PositiveInt, model_validator

from automl_loss.errors import PluginError, RecipeError
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.discovery import Plugin, PluginKind
from automl_loss.recipe import Recipe, load_recipe


class Evolution:
    default_evaluator: ClassVar[str] = "bilevel"

    class Range(BaseModel):
        low: float = 0.0
        high: float

    class Config(PluginConfig):
        population: PositiveInt = 25
        generations: PositiveInt = 20
        crossover: float = Field(0.7, ge=0, le=1)
        initial: Literal["known", "random"] = "known"
        depths: tuple[int, int] = (2, 4)
        ranges: tuple[Evolution.Range, ...] = ()


class Random:
    default_evaluator: ClassVar[str] = "partial-training"

    class Config(PluginConfig):
        per_generation: PositiveInt = 25


class Handcrafted:
    default_evaluator: ClassVar[str] = "absent-evaluator"

    class Config(PluginConfig):
        pass


class Plain:
    class Config(PluginConfig):
        pass


class Tuned:
    tunes: ClassVar[bool] = True

    class Config(PluginConfig):
        pass


class Untuned:
    tunes: ClassVar[bool] = False

    class Config(PluginConfig):
        pass


class Folder:
    class Config(PluginConfig):
        folder: str
        normalise: bool = True


class MLP:
    class Config(PluginConfig):
        hidden: tuple[PositiveInt, ...] = (1000, 1000)
        dropout: float = Field(0.0, ge=0, lt=1)


class Broken:
    class Config(PluginConfig):
        @model_validator(mode="after")
        def _fail(self) -> Self:
            raise TypeError("a bug")


class Local:
    class Config(PluginConfig):
        workers: PositiveInt | None = None


PLUGINS: dict[tuple[str, str], Any] = {
    ("strategy", "evomal"): Evolution,
    ("strategy", "random"): Random,
    ("strategy", "handcrafted"): Handcrafted,
    ("evaluator", "bilevel"): Tuned,
    ("evaluator", "partial-training"): Untuned,
    ("primitive_set", "evomal"): Plain,
    ("task", "digits"): Plain,
    ("task", "wine"): Plain,
    ("task", "folder"): Folder,
    ("model", "mlp"): MLP,
    ("model", "linear"): Plain,
    ("model", "broken"): Broken,
    ("executor", "local"): Local,
}


@dataclass(frozen=True)
class Found:
    plugin: Plugin
    cls: Any


class FakePlugins:
    def __init__(self, local: Sequence[Any]) -> None:
        self.local = {(entry.kind, entry.name): entry for entry in local}

    def load(self, kind: PluginKind, name: str) -> Found:
        if (kind, name) in self.local:
            return Found(Plugin(kind, name, "local", "", ""), Plain)
        if (kind, name) in PLUGINS:
            return Found(Plugin(kind, name, "made-up", "1.2", ""), PLUGINS[kind, name])
        near = difflib.get_close_matches(name, [known for of, known in PLUGINS if of == kind], n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise PluginError(f"no {kind} '{name}'.{hint}")


Load = Callable[..., Recipe]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load YAML text, a path or a mapping with the fake plugins; text is written to recipe.yaml."""

    def load_text(source: Any, overrides: Sequence[str] = (), **options: Any) -> Recipe:
        if isinstance(source, str):
            path = tmp_path / "recipe.yaml"
            path.write_text(source, encoding="utf-8")
            source = path
        options.setdefault("plugins", FakePlugins)
        return load_recipe(source, overrides, **options)

    return load_text


@pytest.fixture
def problems(load: Load, tmp_path: Path) -> Callable[..., list[str]]:
    """The lines of the error that loading raises, the folder taken off."""

    def lines(
        source: Any, *overrides: str, error: type[Exception] = RecipeError, **options: Any
    ) -> list[str]:
        with pytest.raises(error) as caught:
            load(source, overrides, **options)
        assert type(caught.value) is error
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return lines
