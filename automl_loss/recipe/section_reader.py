"""Read the plugin sections: find each plugin, and validate its options by its own `Config`."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from automl_loss.errors import AutolossError, PluginError, RecipeError
from automl_loss.plugins.discovery import LOCAL, Plugin, PluginKind
from automl_loss.plugins.import_object import import_object
from automl_loss.plugins.import_path import is_object_path, module_problem
from automl_loss.plugins.local_code import check_local_code
from automl_loss.plugins.task import Task
from automl_loss.recipe.document import Document
from automl_loss.recipe.faults import Faults, KeyPath, dotted
from automl_loss.recipe.messages import describe, validate
from automl_loss.recipe.sections import Choice, Loaded, SectionKind


class PluginSource(Protocol):
    """Provides plugin classes; `automl_loss.plugins.Registry` is one."""

    def load(self, kind: PluginKind, name: str) -> Loaded:
        """Load the plugin of a name.

        Raises:
            PluginError: it is missing, ambiguous or broken.
        """
        ...


class SectionReader:
    """Validates the plugin sections of one document.

    Args:
        document: the recipe.
        plugins: provides the plugin classes.
        faults: collects the faults.
        folder: the recipe's folder; modules named by import path may lie there.
    """

    def __init__(self, document: Document, plugins: PluginSource, faults: Faults, folder: Path) -> None:
        self._document = document
        self._plugins = plugins
        self._faults = faults
        self._folder = folder

    def read(
        self, section: SectionKind, default: str | None = None, place: KeyPath | None = None
    ) -> tuple[Choice | None, Any]:
        """Return the choice of a section and its common options; `None` where a fault was noted.

        Args:
            section: the section to read.
            default: replaces the section's default name.
            place: path of the section, if not its key.
        """
        path = place or (section.key,)
        data = self._document.get(path)
        if data is None:
            data = {}
        if isinstance(data, str) and place:
            data = {"name": data}
        if not isinstance(data, dict):
            message = (
                f"expected a mapping such as {{name: {section.default or 'digits'}}}, got {describe(data)}."
            )
            self._faults.add(self._document.value_place(path), dotted(path), message)
            return None, None
        common = None
        if section.common is not None:
            own = {key: value for key, value in data.items() if key in section.common_keys}
            common = validate(section.common, own, self._document, path, self._faults)
        options = {
            k: v for k, v in data.items() if k not in section.common_keys and k not in section.choosers
        }
        name, import_path = self._chosen(section, path, data, default or section.default)
        if import_path and self._refused(path, import_path):
            return None, common
        if import_path and section.kind == "model":
            return Choice(section.kind, None, import_path, options), common
        if not name and not import_path:
            return None, common
        return self._validated(section, path, name, import_path, options), common

    def _validated(
        self,
        section: SectionKind,
        path: KeyPath,
        name: str | None,
        import_path: str | None,
        options: dict[str, Any],
    ) -> Choice | None:
        """Load the plugin and validate its options by its own `Config`."""
        try:
            loaded = (
                self._plugins.load(section.kind, name)
                if name
                else _import_task(import_path or "", self._folder)
            )
        except PluginError as error:
            self._fault((*path, "name" if name else "import"), str(error), plugin=True)
            return None
        except RecipeError as error:  # local code is refused
            self._fault((*path, "name"), str(error))
            return None
        known, cls = (*section.choosers, *section.common_keys), loaded.cls
        try:
            config = validate(cls.Config, options, self._document, path, self._faults, known)
            plain = {} if config is None else config.model_dump(mode="json", by_alias=True, warnings=False)
            bad = [] if config is None else _bad_defaults(cls.Config, plain, options)
        except (Exception, SystemExit) as error:  # a plugin's validators are its own code
            message = f"the options of {section.kind} '{name or import_path}' cannot be checked"
            self._fault(path, f"{message}: {type(error).__name__}: {error}.", plugin=True)
            return None
        if bad:
            owner = str(loaded.plugin) if name else f"{section.kind} {import_path!r}"
            self._fault(path, f"{owner}: its Config has bad defaults: {'; '.join(bad)}. Mend or upgrade it, or "
                              f"give these options.", plugin=True)  # fmt: skip
            return None
        return None if config is None else Choice(section.kind, name, import_path, plain, loaded, config)

    def _chosen(
        self, section: SectionKind, at: KeyPath, data: dict[str, Any], default: str | None
    ) -> tuple[str | None, str | None]:
        """Return the name and the import path: one of them or, after a fault, neither."""
        given = [key for key in section.choosers if data.get(key) is not None]
        path = (*at, *given[-1:])
        if len(given) > 1:
            self._fault((*at, "import"), "give `name` or `import`, not both.", key=True)
        elif not given and default is None:
            self._nothing_chosen(section, at, data)
        elif not given:
            return default, None
        elif not isinstance(data[given[0]], str) or not data[given[0]]:
            self._fault(path, f"expected text, got {describe(data[given[0]])}.")
        elif given[0] == "name":
            return data["name"], None
        elif is_object_path(data["import"]):
            return None, data["import"]
        else:
            wrong = module_problem(data["import"].partition(":")[0]) if ":" in data["import"] else ""
            hint = f" {wrong[0].upper()}{wrong[1:]}." if wrong else ""
            self._fault(path, f"expected 'package.module:Object', got {describe(data['import'])}.{hint}")
        return None, None

    def _refused(self, path: KeyPath, import_path: str) -> bool:
        """Note a fault where `--no-local-code` refuses the import."""
        try:
            check_local_code(repr(import_path))
        except RecipeError as error:
            self._fault((*path, "import"), str(error))
            return True
        return False

    def _nothing_chosen(self, section: SectionKind, at: KeyPath, data: dict[str, Any]) -> None:
        for key in get_close_matches("name", data, n=1):
            self._fault((*at, key), "unknown key. Did you mean 'name'?", key=True)
            return
        what = "does not say which" if data else "missing; it is the one section without a default"
        example = f"`{section.key}: {{name: digits}}`"
        message = f"{what}. Write for example {example}; `autoloss plugins list` shows what is installed."
        self._fault(at, message, key=True)

    def _fault(self, path: KeyPath, message: str, *, plugin: bool = False, key: bool = False) -> None:
        place = self._document.key_place(path) if key else self._document.value_place(path)
        self._faults.add(place, dotted(path), message, plugin=plugin)


def _bad_defaults(config: type[BaseModel], plain: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """Find defaults that the options' own types refuse: pydantic checks none, and a recorded recipe could not be read.

    Args:
        config: the plugin's `Config`.
        plain: all its options as plain data.
        given: options that the recipe gives, which are checked already.
    """
    try:
        config.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        details = [
            each for each in error.errors(include_url=False) if given.keys().isdisjoint(each["loc"][:1])
        ]
        return [
            f"{dotted(each['loc'])} = {each['input']!r:.80} ({each['msg']})" if each["loc"] else each["msg"]
            for each in details
        ]
    return []


def _import_task(import_path: str, folder: Path) -> Loaded:
    from automl_loss.plugins.loading import LoadedPlugin

    try:
        found = import_object(import_path, folder)
    except AutolossError as error:
        raise PluginError(str(error).removeprefix("import: ")) from error
    if not isinstance(found, type) or not issubclass(found, Task):
        raise PluginError(
            f"{import_path!r} is no task: expected a subclass of automl_loss.Task, got {found!r}."
        )
    return LoadedPlugin(Plugin("task", import_path, LOCAL, "", import_path), found)
