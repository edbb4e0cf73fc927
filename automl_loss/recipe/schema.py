"""Build the JSON schema of recipes, for editors that complete and check YAML while one types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from automl_loss.errors import PluginError
from automl_loss.plugins.discovery import GROUPS, PluginKind
from automl_loss.plugins.loading import Registry
from automl_loss.recipe.core_sections import General
from automl_loss.recipe.sections import SECTIONS, TASKS, SectionKind

_IMPORT = {"type": "string", "pattern": r"^[^\d\W]\w*(\.[^\d\W]\w*)*:[^\d\W]\w*(\.[^\d\W]\w*)*$"}


def schema(configs: Mapping[PluginKind, Mapping[str, type[BaseModel]]]) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a whole recipe.

    Args:
        configs: option classes of the plugins of each kind by name, see `installed_configs`; they become
            alternatives of their section.
    """
    definitions: dict[str, Any] = {}
    general = _model_schema(General, "", definitions)
    properties: dict[str, Any] = {}
    for key, value in general["properties"].items():
        if key == "tuning":
            value = {"anyOf": [{"enum": ["published", "none"]}, value]}
        properties[key] = value
    for section in SECTIONS:
        properties[section.key] = _section(section, configs.get(section.kind, {}), definitions)
    properties[TASKS] = {"type": "array", "items": properties["task"], "minItems": 2}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "automl-loss recipe",
        "type": "object",
        "properties": properties,
        "oneOf": [{"required": ["task"]}, {"required": [TASKS]}],
        "additionalProperties": False,
        "$defs": definitions,
    }


def installed_configs() -> tuple[dict[PluginKind, dict[str, type[BaseModel]]], list[str]]:
    """Return the option class of every installed plugin by kind and name, and why some plugins failed to load."""
    registry = Registry()
    configs: dict[PluginKind, dict[str, type[BaseModel]]] = {}
    broken = []
    for kind in GROUPS:
        plugins = registry.plugins(kind)
        names = Counter(plugin.name for plugin in plugins)
        for plugin in plugins:
            name = plugin.name if names[plugin.name] == 1 else f"{plugin.package}:{plugin.name}"
            try:
                configs.setdefault(kind, {})[name] = registry.load(kind, name).cls.Config
            except PluginError as error:
                broken.append(str(error))
    return configs, broken


def _section(
    section: SectionKind, configs: Mapping[str, type[BaseModel]], definitions: dict[str, Any]
) -> dict[str, Any]:
    common: dict[str, Any] = {}
    if section.common is not None:
        common = _model_schema(section.common, f"{section.key}-", definitions)["properties"]
    alternatives: list[dict[str, Any]] = [{"type": "string", "minLength": 1}]
    if section.default or section.key == "evaluator":
        alternatives.append({"type": "null"})
    for name, config in configs.items():
        own = _model_schema(config, f"{section.key}-{name}-", definitions)
        alternatives.append(
            {
                "type": "object",
                "title": f"{section.key} {name}",
                "description": own.get("description", ""),
                "properties": {"name": {"const": name}, **common, **own["properties"]},
                "required": [*([] if name == section.default else ["name"]), *own.get("required", [])],
                "additionalProperties": False,
            }
        )
    if section.key == "evaluator":
        alternatives.append({"type": "object", "properties": {}, "additionalProperties": False})
    if section.importable:
        alternatives.append(
            {
                "type": "object",
                "title": f"{section.key} by import path",
                "properties": {"import": _IMPORT, **common},
                "required": ["import"],
            }
        )
    return {"anyOf": alternatives}


def _model_schema(model: type[BaseModel], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one model; models it refers to are added to the definitions, under names with a prefix."""
    own = model.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}")
    for name, definition in own.pop("$defs", {}).items():
        definitions[f"{prefix}{name}"] = definition
    own.setdefault("properties", {})
    return own
