"""Define the six plugin sections of a recipe, such as `strategy: {name: evomal, population: 25}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from automl_loss.engine.data.corruption import TaskOptions
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.discovery import Plugin, PluginKind
from automl_loss.recipe.core_sections import ExecutorOptions


@dataclass(frozen=True)
class SectionKind:
    """Describes how one plugin section is read.

    Args:
        key: the recipe's key.
        kind: the plugin kind.
        default: the plugin's name when the recipe gives none; `None`: the recipe or another section must give it.
        common: model of the options that every plugin of the kind has.
        importable: whether `import: "package.module:Object"` is accepted in place of a name.
    """

    key: str
    kind: PluginKind
    default: str | None
    common: type[BaseModel] | None = None
    importable: bool = False

    @property
    def choosers(self) -> tuple[str, ...]:
        """Keys that choose the plugin."""
        return ("name", "import") if self.importable else ("name",)

    @property
    def common_keys(self) -> frozenset[str]:
        """Keys that stay when another plugin is chosen."""
        return frozenset(self.common.model_fields) if self.common else frozenset()


SECTIONS = (
    SectionKind("task", "task", None, TaskOptions, importable=True),
    SectionKind("model", "model", "mlp", importable=True),
    SectionKind("strategy", "strategy", "evomal"),
    SectionKind("evaluator", "evaluator", None),
    SectionKind("primitives", "primitive_set", "evomal"),
    SectionKind("executor", "executor", "local", ExecutorOptions),
)


TASKS = "tasks"
"""Replaces `task`: a list of task sections, for one loss that is searched on all of them."""


class Loaded(Protocol):
    """A plugin after loading; `automl_loss.plugins.LoadedPlugin` is one."""

    @property
    def plugin(self) -> Plugin:
        """The plugin before loading."""
        ...

    @property
    def cls(self) -> type[Any]:
        """The plugin class, with its nested `Config`."""
        ...


@dataclass(frozen=True)
class Choice:
    """A plugin and its options, as a recipe chose them.

    Args:
        kind: the plugin kind.
        name: the plugin's name, or `package:name`; `None` when it is imported.
        import_path: `package.module:Object`, when it is imported.
        options: all its options, defaults included, as plain data.
        loaded: the plugin; `None` for an imported model, which may be any callable and is imported late.
        config: the options as an instance of the class's `Config`; `None` for an imported model.
    """

    kind: PluginKind
    name: str | None
    import_path: str | None
    options: Mapping[str, Any]
    loaded: Loaded | None = field(default=None, compare=False, repr=False)
    config: PluginConfig | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """The name or the import path."""
        return self.name or self.import_path or ""

    @property
    def cls(self) -> type[Any]:
        """The plugin class.

        Raises:
            ValueError: the model is imported by path, and has no plugin class.
        """
        if self.loaded is None:
            raise ValueError(f"{self.kind} {self.label} is imported by path; it has no plugin class.")
        return self.loaded.cls

    def make(self) -> Any:
        """Make the plugin with its options."""
        return self.cls(self.config)

    @property
    def package(self) -> str | None:
        """The package that the plugin came from; `None` when it is local or imported."""
        return None if self.loaded is None or self.loaded.plugin.is_local else self.loaded.plugin.package

    @property
    def version(self) -> str | None:
        """That package's version."""
        return None if self.loaded is None or self.loaded.plugin.is_local else self.loaded.plugin.version

    def to_data(self) -> dict[str, Any]:
        """Return the section as a recipe writes it, without the common options."""
        chooser = {"name": self.name} if self.name else {"import": self.import_path}
        return {**chooser, **self.options}


@dataclass(frozen=True)
class TaskChoice:
    """One of several tasks.

    Args:
        choice: the task plugin.
        options: the task's metric and corruptions.
    """

    choice: Choice
    options: TaskOptions

    def to_data(self) -> dict[str, Any]:
        """Return the section as a recipe writes it."""
        options = self.options.model_dump(mode="json")
        if self.options.label_noise.kind == "symmetric":
            options["label_noise"] = self.options.label_noise.rate
        return {**self.choice.to_data(), **options}
