"""The plugin sections of a recipe: `strategy: {name: evomal, population: 25}` and its five siblings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from automl_loss.engine.corruption import TaskOptions
from automl_loss.engine.import_path import import_object
from automl_loss.errors import AutolossError, PluginError
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.task import Task
from automl_loss.recipe.document import Document
from automl_loss.recipe.faults import Faults, dotted
from automl_loss.recipe.messages import describe, validate
from automl_loss.recipe.model import ExecutorOptions, PluginKind


class Loaded(Protocol):
    """What loading a plugin gives, as far as recipes care."""

    @property
    def cls(self) -> type[Any]:
        """The plugin class, with its nested `Config`."""
        ...


class PluginSource(Protocol):
    """Where plugin classes come from; `automl_loss.plugins.Registry` is one."""

    def load(self, kind: PluginKind, name: str) -> Loaded:
        """The plugin of a name.

        Raises:
            PluginError: it is missing, ambiguous or broken.
        """
        ...


@dataclass(frozen=True)
class SectionKind:
    """How one plugin section is read.

    Args:
        key: the recipe's key.
        kind: the plugin kind.
        default: name of the plugin when the recipe does not say; `None`: it must, or another section says.
        common: options that the core has for every plugin of the kind.
        importable: whether `import: "package.module:Object"` may stand in place of a name.
    """

    key: str
    kind: PluginKind
    default: str | None
    common: type[BaseModel] | None = None
    importable: bool = False

    @property
    def choosers(self) -> tuple[str, ...]:
        """Keys that say which plugin it is."""
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


@dataclass(frozen=True)
class Choice:
    """A plugin and its options, as a recipe chose them.

    Args:
        kind: the plugin kind.
        name: the plugin's name, or `package:name`; `None` when it is imported.
        import_path: `package.module:Object`, when it is imported.
        options: all its options, defaults included, as plain data.
        plugin: the class; `None` for an imported model, which may be any callable and is imported late.
        config: the options as an instance of the class's `Config`; `None` for an imported model.
        package: the package that the plugin came from; `None` when it is local or imported.
        version: that package's version.
    """

    kind: PluginKind
    name: str | None
    import_path: str | None
    options: Mapping[str, Any]
    plugin: type[Any] | None = field(default=None, compare=False, repr=False)
    config: PluginConfig | None = field(default=None, compare=False, repr=False)
    package: str | None = field(default=None, compare=False)
    version: str | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """The name or the import path."""
        return self.name or self.import_path or ""

    def to_data(self) -> dict[str, Any]:
        """The section as a recipe writes it, without the common options."""
        chooser = {"name": self.name} if self.name else {"import": self.import_path}
        return {**chooser, **self.options}


class SectionReader:
    """Validates the plugin sections of one document.

    Args:
        document: the recipe.
        plugins: where plugin classes come from.
        faults: gets what is wrong.
        folder: where the recipe lies; modules named by import path may lie there.
    """

    def __init__(self, document: Document, plugins: PluginSource, faults: Faults, folder: Path) -> None:
        self._document = document
        self._plugins = plugins
        self._faults = faults
        self._folder = folder

    def read(self, section: SectionKind, default: str | None = None) -> tuple[Choice | None, Any]:
        """The choice of a section and its common options; `None` where a fault was noted.

        Args:
            section: which one.
            default: name in place of the section's own default.
        """
        path = (section.key,)
        data = self._document.get(path)
        if data is None:
            data = {}
        if not isinstance(data, dict):
            message = (
                f"expected a mapping such as {{name: {section.default or 'digits'}}}, got {describe(data)}."
            )
            self._faults.add(self._document.value_place(path), section.key, message)
            return None, None
        common = None
        if section.common is not None:
            own = {key: value for key, value in data.items() if key in section.common_keys}
            common = validate(section.common, own, self._document, path, self._faults)
        options = {
            k: v for k, v in data.items() if k not in section.common_keys and k not in section.choosers
        }
        name, import_path = self._chosen(section, data, default or section.default)
        if import_path and section.kind == "model":
            return Choice(section.kind, None, import_path, options), common
        if not name and not import_path:
            return None, common
        plugin = self._load(section, name, import_path)
        if plugin is None:
            return None, common
        known = (*section.choosers, *section.common_keys)
        try:
            config = validate(plugin.Config, options, self._document, path, self._faults, known)
            dumped = {} if config is None else config.model_dump(mode="json", by_alias=True)
        except Exception as error:  # a plugin's validators are its own code
            message = f"the options of {section.kind} '{name or import_path}' cannot be checked"
            self._fault(path, f"{message}: {type(error).__name__}: {error}.", plugin=True)
            return None, common
        if config is None:
            return None, common
        return Choice(section.kind, name, import_path, dumped, plugin, config), common

    def _chosen(
        self, section: SectionKind, data: dict[str, Any], default: str | None
    ) -> tuple[str | None, str | None]:
        """Name and import path, one of them or, after a fault, neither."""
        given = [key for key in section.choosers if data.get(key) is not None]
        path = (section.key, *given[-1:])
        if len(given) > 1:
            self._fault((section.key, "import"), "give `name` or `import`, not both.", key=True)
        elif not given and default is None:
            example = f"for example `{section.key}: {{name: digits}}`"
            what = (
                "missing"
                if section.key in self._document.data
                else "missing; it is the one section without a default"
            )
            self._fault(
                path,
                f"{what}. Name one, {example}; `autoloss plugins list` shows what is installed.",
                key=True,
            )
        elif not given:
            return default, None
        elif not isinstance(data[given[0]], str) or not data[given[0]]:
            self._fault(path, f"expected text, got {describe(data[given[0]])}.")
        elif given[0] == "name":
            return data["name"], None
        elif is_import_path(data["import"]):
            return None, data["import"]
        else:
            self._fault(path, f"expected 'package.module:Object', got {describe(data['import'])}.")
        return None, None

    def _load(self, section: SectionKind, name: str | None, import_path: str | None) -> type[Any] | None:
        chooser = "name" if name else "import"
        path = (section.key, chooser)
        try:
            if name:
                return self._plugins.load(section.kind, name).cls
            return _import_task(import_path or "", self._folder)
        except PluginError as error:
            self._fault(path, str(error), plugin=True)
            return None

    def _fault(self, path: tuple[str, ...], message: str, *, plugin: bool = False, key: bool = False) -> None:
        place = self._document.key_place(path) if key else self._document.value_place(path)
        self._faults.add(place, dotted(path), message, plugin=plugin)


def is_import_path(text: str) -> bool:
    """Whether a text has the form `package.module:Object`.

    Example:
        >>> is_import_path("mypackage.models:Net"), is_import_path("mypackage.models.Net")
        (True, False)
    """
    module, colon, attribute = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))


def _import_task(import_path: str, folder: Path) -> type[Task]:
    try:
        found = import_object(import_path, folder)
    except AutolossError as error:
        raise PluginError(str(error).removeprefix("import: ")) from error
    if not isinstance(found, type) or not issubclass(found, Task):
        raise PluginError(
            f"{import_path!r} is no task: expected a subclass of automl_loss.Task, got {found!r}."
        )
    return found
