"""Write a new plugin package, for `autoloss plugins new KIND NAME`."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template

from automl_loss.errors import RecipeError
from automl_loss.plugins.discovery import GROUPS, PluginKind
from automl_loss.record.atomic import replace_text, writing

_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_CONTRACTS: dict[PluginKind, str] = {
    "strategy": "StrategyContract",
    "primitive_set": "PrimitiveSetContract",
    "task": "TaskContract",
    "evaluator": "EvaluatorContract",
    "model": "ModelContract",
    "executor": "ExecutorContract",
}
_TASK = "task: {name: wine, label_noise: 0.2}\n"
_MODEL = "model: {name: mlp, hidden: [50]}\n"
_SECTIONS: dict[PluginKind, str] = {
    "strategy": _TASK + _MODEL + "strategy: {name: $name}",
    "primitive_set": _TASK + _MODEL + "primitives: {name: $name}",
    "task": _MODEL + "task: {name: $name}",
    "evaluator": _TASK + _MODEL + "evaluator: {name: $name}",
    "model": _TASK + "model: {name: $name}",
    "executor": _TASK + _MODEL + "executor: {name: $name}",
}
_DEPENDENCIES: dict[PluginKind, tuple[str, ...]] = {
    "primitive_set": ("torch",),
    "task": ("numpy",),
    "model": ("torch",),
    "executor": ("loky",),
}
"""Packages that the templates import beside automl-loss and its own requirement pydantic."""


def write_package(kind: PluginKind, name: str, folder: Path | None = None) -> list[Path]:
    """Write a package with one working plugin, which installs, keeps every law and runs without changes.

    Args:
        kind: the plugin kind.
        name: the name for recipes; lower case, with hyphens.
        folder: target folder, missing or empty; default: one with the package's name in the working directory.

    Returns:
        Paths of the files.

    Raises:
        RecipeError: the name is not valid, or the folder is not empty.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise RecipeError(
            f"plugins new: '{name}' will not do as a name; use lower-case letters, digits and hyphens, such as "
            f"my-plugin."
        )
    package = f"autoloss-{name.replace('_', '-')}"
    module = package.replace("-", "_")
    target = folder or Path(package)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RecipeError(f"plugins new: {target} is not empty; name another folder by -o DIR.")
    words = {
        "kind": kind.replace("_", " "),
        "name": name,
        "package": package,
        "module": module,
        "cls": "".join(part.capitalize() for part in re.split("[-_]", name)),
        "group": GROUPS[kind],
        "contract": _CONTRACTS[kind],
        "more": "".join(f', "{package}"' for package in _DEPENDENCIES.get(kind, ())),
    }
    section = Template(_SECTIONS[kind]).substitute(words)
    files = {
        "pyproject.toml": _text("pyproject.toml", words),
        "README.md": _text("README.md", words),
        "recipe.yaml": _text("recipe.yaml", {**words, "section": section}),
        f"{module}/__init__.py": _text(f"{kind}.py", words),
        f"tests/test_{module}.py": _text("test.py", words),
    }
    written = []
    for path, text in files.items():
        file = target / path
        with writing(file.parent):
            file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, text)
        written.append(file)
    return written


def _text(template: str, words: dict[str, str]) -> str:
    return Template((_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(words)
