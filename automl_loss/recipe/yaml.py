"""Read YAML into a `Document`, and write plain data as YAML that reads back equal.

Scalars follow the core schema of YAML 1.2: `1e-3` is a float, `no` and `on` are text. Only mappings, lists,
texts, numbers, booleans and null are constructed; tags of any other kind are refused.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import yaml

from automl_loss.errors import RecipeError
from automl_loss.recipe.document import Document, scalar_complaint
from automl_loss.recipe.faults import Faults, KeyPath, Place, dotted

_TAG = "tag:yaml.org,2002:"
_MOST_VALUES = 20_000
_ESCAPES = re.compile(r"\\U([0-9a-fA-F]{8})")
_LINE_BREAKS = re.compile("[\r\n\x85\u2028\u2029\ufeff]")
_CORE_SCHEMA = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)


class _TooMany(yaml.MarkedYAMLError):
    """The text has more nodes than a recipe may have."""


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the scalars of YAML 1.2; used to compose nodes, never to construct objects."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own class attribute)
    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node, but no more of them than keys and values may be."""
        self._nodes += 1
        if self._nodes > 2 * _MOST_VALUES:
            raise _TooMany(problem=f"more than {_MOST_VALUES:,} values", problem_mark=self.get_mark())
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


class _Dumper(yaml.SafeDumper):
    """Dumper that quotes any text that YAML 1.2 or PyYAML's YAML 1.1 would read as something other than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # PyYAML writes these line breaks as they are between single quotes, where they read as spaces.
        style = '"' if _LINE_BREAKS.search(data) else None
        node: yaml.ScalarNode = self.represent_scalar(_TAG + "str", data, style=style)
        return node


_Dumper.add_representer(str, _Dumper.represent_str)


for _name, _pattern, _first in _CORE_SCHEMA:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


def parse(text: str, label: str, faults: Faults) -> Document:
    """Parse the text of a recipe.

    Args:
        text: YAML.
        label: the file's name in places, `recipe.yaml` in `recipe.yaml:7:11`.
        faults: collects duplicate keys, tags and scalars that are not accepted.

    Raises:
        RecipeError: the text is not YAML, or its root is not a mapping.
    """
    reader = _Reader(label, faults)
    root = _compose(text, label)
    if root is None or not isinstance(root, yaml.MappingNode):
        got = (
            "nothing"
            if root is None
            else "a list"
            if isinstance(root, yaml.SequenceNode)
            else "a single value"
        )
        raise RecipeError(f"{label}:1:1: a recipe is a mapping such as `task: {{name: digits}}`, got {got}.")
    reader.document.data = reader.value(root, ())
    return reader.document


def parse_value(text: str) -> Any:
    """Parse a scalar or a flow collection, as in `-s training.rungs=[250,500]`.

    Raises:
        RecipeError: the text is not YAML; problems carry no place.
    """
    root = _compose(text, "")
    if root is None:
        return None
    faults = Faults()
    value = _Reader("", faults).value(root, ())
    if faults.found:
        raise RecipeError([": ".join(filter(None, (fault.key, fault.message))) for fault in faults.found])
    return value


def dump(data: dict[str, Any]) -> str:
    """Return YAML text that `parse` reads back as equal data; small collections stay on one line."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110
    )
    return text


def _compose(text: str, label: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        character = chr(error.character) if isinstance(error.character, int) else error.character
        raise RecipeError(
            _at(label, line, column) + f"character {character!r} is not allowed in YAML."
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _at(label, mark.line + 1, mark.column + 1) if mark else _at(label, 1, 1)
        reason = ", ".join(filter(None, (error.problem, error.context)))
        hint = " Indent with spaces, not tabs." if "'\\t'" in reason else ""
        raise RecipeError(f"{place}not valid YAML: {reason}.{hint}") from None
    except RecursionError:
        raise RecipeError(_at(label, 1, 1) + "nested too deeply to be a recipe.") from None
    except (ValueError, OverflowError):  # what PyYAML makes of an escape sequence beyond Unicode
        beyond = next((each for each in _ESCAPES.finditer(text) if int(each[1], 16) > sys.maxunicode), None)
        if beyond is None:
            raise
        before = text[: beyond.start()]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise RecipeError(
            _at(label, line, column) + f"{beyond[0]} is no character of Unicode, whose last is \\U0010FFFF."
        ) from None
    return node


def _at(label: str, line: int, column: int) -> str:
    return f"{label}:{line}:{column}: " if label else ""


class _Reader:
    """Converts composed nodes to a document."""

    def __init__(self, label: str, faults: Faults) -> None:
        self.document = Document()
        self._label = label
        self._faults = faults
        self._count = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """Return the node's value; the place where it was written is noted under `path`."""
        place = self._place(node)
        self.document.values[path] = place
        self._count += 1
        if self._count > _MOST_VALUES:
            raise RecipeError(
                f"{place.text}: more than {_MOST_VALUES:,} values; do aliases (`*name`) repeat each other?"
            )
        if id(node) in self._open:
            self._faults.add(place, dotted(path), "an alias refers to a value that contains it.")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, path, place)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TAG + "str":
                got = repr(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "a collection"
                message = f"keys must be text, got {got}; quote it if it is meant as text."
                self._faults.add(place, dotted(path), message)
                continue
            key = key_node.value
            here = (*path, key)
            if key == "<<" and key_node.style is None:
                message = "merge keys (`<<`) are not accepted; write the keys out."
                self._faults.add(place, dotted(path), message)
            elif complaint := scalar_complaint(key):
                self._faults.add(place, dotted(path), complaint)
            elif key in result:
                first = self.document.keys[here].order[1]
                self._faults.add(place, dotted(here), f"duplicate key; it was first given in line {first}.")
            else:
                self.document.keys[here] = place
                result[key] = self.value(value_node, here)
        return result

    def _scalar(self, node: yaml.Node, path: KeyPath, place: Place) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if not isinstance(node, yaml.ScalarNode) or kind not in ("str", "null", "bool", "int", "float"):
            tag = node.tag.replace(_TAG, "!!")
            self._faults.add(
                place, dotted(path), f"tag `{tag}` is not accepted; a recipe holds plain values."
            )
            return None
        try:
            value = _CONVERTERS[kind](node.value)
        except ValueError:
            self._faults.add(place, dotted(path), f"{node.value[:40]!r} cannot be read as {kind}.")
            return None
        if complaint := scalar_complaint(value):
            self._faults.add(place, dotted(path), complaint)
            return None
        return value

    def _place(self, node: yaml.Node) -> Place:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        return Place(f"{self._label}:{line}:{column}", (0, line, column))


def _integer(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _float(text: str) -> float:
    match = re.fullmatch(r"([-+]?)\.(inf|nan)", text.lower())
    if match:
        return math.nan if match[2] == "nan" else math.inf * (-1 if match[1] == "-" else 1)
    return float(text)


_CONVERTERS: dict[str, Any] = {
    "str": str,
    "null": lambda text: None,
    "bool": _boolean,
    "int": _integer,
    "float": _float,
}
