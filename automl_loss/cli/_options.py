"""Describe a plugin's options to a person, with the type names of recipes: integer, text, list."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_WORDS = {"string": "text", "boolean": "true or false", "object": "mapping"}
_BOUNDS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


def describe_options(schema: Mapping[str, Any]) -> list[str]:
    """Write one line for each option: its name, default, type and description.

    Args:
        schema: JSON schema of a plugin's `Config`.

    Example:
        >>> describe_options({"properties": {"width": {"type": "integer", "minimum": 1, "default": 64}}})
        ['width = 64  integer >= 1']
    """
    definitions = schema.get("$defs", {})
    required = schema.get("required", ())
    rows = []
    for name, option in schema.get("properties", {}).items():
        default = "(required)" if name in required else f"= {json.dumps(option.get('default'))}"
        rows.append((f"{name} {default}", _type(option, definitions), option.get("description", "")))
    named, typed = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    return [f"{name:<{named}}  {kind:<{typed}}  {what}".rstrip() for name, kind, what in rows]


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(_type(branch, definitions) for branch in schema[union]))
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    if kind == "array":
        items = schema.get("prefixItems")
        inner = ", ".join(_type(item, definitions) for item in items) if items else None
        return f"[{inner}]" if inner else f"list of {_type(schema.get('items', {}), definitions)}"
    bounds = [f"{sign} {schema[key]:g}" for key, sign in _BOUNDS.items() if key in schema]
    return " ".join([_WORDS.get(kind, kind), " and ".join(bounds)]).rstrip()
