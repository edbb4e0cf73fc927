"""Translate pydantic's errors into faults of a recipe, at the place where each value was written."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from automl_loss.recipe.document import Document
from automl_loss.recipe.faults import Faults, KeyPath, did_you_mean, dotted

Model = TypeVar("Model", bound=BaseModel)

_EXPECTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "int_type": lambda ctx: "an integer",
    "int_parsing": lambda ctx: "an integer",
    "int_from_float": lambda ctx: "an integer",
    "float_type": lambda ctx: "a number",
    "float_parsing": lambda ctx: "a number",
    "finite_number": lambda ctx: "a finite number",
    "bool_type": lambda ctx: "true or false",
    "bool_parsing": lambda ctx: "true or false",
    "string_type": lambda ctx: "text",
    "none_required": lambda ctx: "null",
    "list_type": lambda ctx: "a list",
    "tuple_type": lambda ctx: "a list",
    "set_type": lambda ctx: "a list",
    "frozen_set_type": lambda ctx: "a list",
    "dict_type": lambda ctx: "a mapping",
    "model_type": lambda ctx: "a mapping",
    "model_attributes_type": lambda ctx: "a mapping",
    "literal_error": lambda ctx: str(ctx["expected"]),
    "enum": lambda ctx: str(ctx["expected"]),
    "greater_than": lambda ctx: f"a number above {ctx['gt']:.12g}",
    "greater_than_equal": lambda ctx: f"a number of at least {ctx['ge']:.12g}",
    "less_than": lambda ctx: f"a number below {ctx['lt']:.12g}",
    "less_than_equal": lambda ctx: f"a number of at most {ctx['le']:.12g}",
    "multiple_of": lambda ctx: f"a multiple of {ctx['multiple_of']}",
    "too_short": lambda ctx: f"at least {ctx['min_length']} item(s)",
    "too_long": lambda ctx: f"at most {ctx['max_length']} item(s)",
    "string_too_short": lambda ctx: f"text of at least {ctx['min_length']} character(s)",
    "string_too_long": lambda ctx: f"text of at most {ctx['max_length']} characters",
    "string_pattern_mismatch": lambda ctx: f"text of the form {ctx['pattern']}",
}


def validate(
    model: type[Model],
    data: Mapping[str, Any],
    document: Document,
    path: KeyPath,
    faults: Faults,
    known: Iterable[str] = (),
) -> Model | None:
    """Validate a section; on failure note every fault and return `None`.

    Args:
        model: a pydantic model.
        data: plain data, validated as JSON is: a list may stand for a tuple, but no text for a number.
        document: tells where each key and value was written.
        path: the section's path in the document.
        faults: collects the faults.
        known: further keys to suggest beside the model's own.
    """
    try:
        return model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        _translate(error, model, data, document, path, faults, known)
        return None


def describe(value: Any) -> str:
    """Describe a value for an error message.

    Example:
        >>> describe("many"), describe(True), describe([1])
        ("the text 'many'", 'true', 'a list')
    """
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:57] + '...'!r}"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return repr(value)


def _translate(
    error: ValidationError,
    model: type[BaseModel],
    data: Any,
    document: Document,
    path: KeyPath,
    faults: Faults,
    known: Iterable[str],
) -> None:
    groups: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        groups.setdefault(_follow(detail, data), []).append(detail)
    for inner, details in groups.items():
        # One branch of a union accepted the value's shape and found faults within; drop the errors of the others.
        if any(other[: len(inner)] == inner and len(other) > len(inner) for other in groups):
            continue
        key, kind = dotted((*path, *inner)), details[0]["type"]
        if kind == "missing":
            faults.add(document.key_place((*path, *inner[:-1])), key, "missing; it has no default.")
        elif kind == "extra_forbidden":
            near = _keys_at(model, inner[:-1]) | (set(known) if len(inner) == 1 else set())
            message = f"unknown key. {did_you_mean(str(inner[-1]), near)}"
            faults.add(document.key_place((*path, *inner)), key, message)
        else:
            place = document.value_place((*path, *inner))
            faults.add(place, key, _sentence(details, _value_at(data, inner)))


def _sentence(details: list[ErrorDetails], value: Any) -> str:
    own = [detail for detail in details if detail["type"] in ("value_error", "assertion_error")]
    if own:
        text = str(own[0]["ctx"]["error"]).strip()
        return text if text.endswith((".", "?", "!")) else f"{text}."
    expected = dict.fromkeys(
        _EXPECTED[detail["type"]](detail.get("ctx", {}))
        if detail["type"] in _EXPECTED
        else detail["msg"][:1].lower() + detail["msg"][1:]
        for detail in details
    )
    got = f"{len(value)} item(s)" if details[0]["type"] in ("too_short", "too_long") else describe(value)
    return f"expected {' or '.join(expected)}, got {got}.{_closest(details, value)}"


def _closest(details: list[ErrorDetails], value: Any) -> str:
    words = [word for d in details for word in str(d.get("ctx", {}).get("expected", "")).split("'")[1::2]]
    close = get_close_matches(value, words, n=1) if isinstance(value, str) else []
    return f" Did you mean '{close[0]}'?" if close else ""


def _follow(detail: ErrorDetails, data: Any) -> KeyPath:
    """Return the error's path in the data, without the names that pydantic inserts for branches of unions."""
    path: list[str | int] = []
    for index, part in enumerate(detail["loc"]):
        if isinstance(data, dict) and part in data:
            path.append(part)
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            path.append(part)
            data = data[part]
        elif detail["type"] == "missing" and index == len(detail["loc"]) - 1:
            path.append(part)
    return tuple(path)


def _value_at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _keys_at(annotation: Any, path: KeyPath) -> set[str]:
    """Return the keys that the model, or the models of a union, accept at a path."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return set().union(*(_keys_at(branch, path) for branch in get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and origin is None:
        fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
        if not path:
            return set(fields)
        return _keys_at(fields[str(path[0])].annotation, path[1:]) if path[0] in fields else set()
    if path and get_args(annotation):  # list[Model], tuple[Model, ...], dict[str, Model]
        return set().union(*(_keys_at(branch, path[1:]) for branch in get_args(annotation)))
    return set()
