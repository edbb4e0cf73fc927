"""Laws that hold for every plugin kind."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

from automl_loss.errors import PluginError
from automl_loss.plugins.contract import check_class
from automl_loss.plugins.discovery import Plugin
from automl_loss.testing.law import Subject, law

_IMPORT_SECONDS = 60


@law(
    "class-is-complete",
    "A plugin is a concrete class of its kind with a docstring, `plugin_api` and a `Config`.",
    "Do what the sentence asks; `autoloss plugins new` writes a class that has them all.",
)
def complete(subject: Subject) -> str | None:
    """Check the class by `check_class`."""
    cls = subject.cls
    plugin = Plugin(subject.kind, cls.__name__, "local", "", f"{cls.__module__}:{cls.__qualname__}")
    try:
        check_class(plugin, cls)
    except PluginError as error:
        return str(error).removeprefix(f"{plugin}: ")
    return None


@law(
    "config-has-defaults",
    "`Config()` works without options: every field has a valid default.",
    "Give each field a default that its own validators accept, and set `validate_default=True` while writing.",
)
def defaults(subject: Subject) -> str | None:
    """Validate the defaults, which pydantic does not check by itself."""
    config = subject.config()
    type(config).model_validate(config.model_dump())
    return None


@law(
    "config-survives-json",
    "A configuration written as JSON reads back as an equal one: recipes and worker processes pass it so.",
    "Use plain field types; where a type is no JSON, give it a validator and a serializer that are inverse.",
)
def json_round_trip(subject: Subject) -> str | None:
    """Write the defaults as JSON by alias, as recipes do, and read them back."""
    config = subject.config()
    again = type(config).model_validate_json(config.model_dump_json(by_alias=True))
    return None if again == config else f"{config!r} came back as {again!r}"


@law(
    "importable-in-a-worker",
    "The class can be pickled, and a fresh process can import it.",
    "Define the class at the top level of an importable module, and do no work at import.",
)
def spawned(subject: Subject) -> str | None:
    """Unpickle the class in a fresh interpreter with the same path."""
    try:
        data = pickle.dumps(subject.cls)
    except Exception as error:
        return f"pickling {subject.cls.__qualname__} gives {type(error).__name__}: {error}"
    code = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=data, capture_output=True, timeout=_IMPORT_SECONDS, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"importing it takes longer than {_IMPORT_SECONDS} seconds"
    if done.returncode:
        return done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return None


LAWS = (complete, defaults, json_round_trip, spawned)
