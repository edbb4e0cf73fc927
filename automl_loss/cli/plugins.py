"""Implement `autoloss plugins list|show|check|new`: list, describe, check and scaffold plugins."""

from __future__ import annotations

import enum
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_loss.errors import PluginError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from automl_loss.plugins.discovery import PluginKind
    from automl_loss.plugins.loading import LoadedPlugin, Registry

app = typer.Typer(help="Installed plugins, and the options of each.", no_args_is_help=True)


class Kind(enum.StrEnum):
    """The plugin kinds; written out, so that `--help` imports typer alone."""

    strategy = "strategy"
    primitive_set = "primitive_set"
    task = "task"
    evaluator = "evaluator"
    model = "model"
    executor = "executor"


_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_plugins(
    kind: Annotated[Kind | None, typer.Argument(help="Only this kind.")] = None, as_json: _AsJson = False
) -> None:
    """List the installed plugins, without importing any of them."""
    from automl_loss.plugins.loading import Registry

    registry = Registry(warn=False)
    plugins = registry.plugins(kind.value if kind is not None else None)
    for damage in registry.damages:
        typer.echo(f"warning: {damage}", err=True)
    if as_json:
        typer.echo(json.dumps([asdict(plugin) for plugin in plugins], indent=2))
        return
    columns = ("kind", "name", "package", "version", "target")
    rows = [columns, *(tuple(str(getattr(plugin, column)) for column in columns) for plugin in plugins)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(columns))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def show(
    words: Annotated[
        list[str],
        typer.Argument(help="A plugin's name; its kind before it says which.", metavar="NAME | KIND NAME"),
    ],
    as_json: _AsJson = False,
) -> None:
    """Print what a plugin is and which options it takes, for each kind that has one of the name."""
    from automl_loss.plugins.loading import Registry

    if len(words) > 2:
        raise typer.BadParameter(f"expected NAME or KIND NAME, got {len(words)} words.")
    registry, name = Registry(), words[-1]
    kinds = [_kind(words[0])] if len(words) == 2 else _kinds_with(registry, name)
    found = [registry.load(kind, name) for kind in kinds]
    if as_json:
        typer.echo(json.dumps([_data(loaded) for loaded in found], indent=2))
    else:
        typer.echo("\n\n".join(_page(loaded) for loaded in found))


@app.command()
def check(
    words: Annotated[
        list[str],
        typer.Argument(
            help="A plugin's name, its kind before it if need be; or ./mine.py:Mine.",
            metavar="NAME | KIND NAME | PATH",
        ),
    ],
    as_json: _AsJson = False,
) -> None:
    """Check that a plugin keeps every law of its kind. Takes seconds; exit code 3 when it does not."""
    if len(words) > 2:
        raise typer.BadParameter(f"expected NAME, KIND NAME or PATH, got {len(words)} words.")
    classes = _classes(words)
    from automl_loss.testing.check import check_plugin, kind_of, laws_of

    reports = [(name, laws_of(kind_of(cls)), check_plugin(cls)) for name, cls in classes]
    if as_json:
        data = [
            {"plugin": name, "laws": [law.name for law in laws], "findings": [asdict(f) for f in findings]}
            for name, laws, findings in reports
        ]
        typer.echo(json.dumps(data, indent=2))
    else:
        for name, laws, findings in reports:
            broken = [finding for finding in findings if not finding.skipped]
            skipped = len(findings) - len(broken)
            kept = len(laws) - len(findings)
            rest = f", {skipped} not looked at" if skipped else ""
            typer.echo(f"{name}: {kept} of {len(laws)} laws kept{rest}")
            for finding in findings:
                typer.echo(f"\n{finding}")
    if any(not finding.skipped for _, _, findings in reports for finding in findings):
        raise typer.Exit(PluginError.exit_code)


@app.command()
def new(
    kind: Annotated[Kind, typer.Argument(help="Which kind.")],
    name: Annotated[str, typer.Argument(help="The name that recipes will write: lower case, with hyphens.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder; default: autoloss-NAME.")
    ] = None,
) -> None:
    """Write a package with a plugin that works: class, entry point, contract tests, recipe, README."""
    from automl_loss.testing.scaffold import write_package

    files = write_package(kind.value, name, output)
    for file in files:
        typer.echo(str(file))
    folder = files[0].parent
    typer.echo(f"\nNext: pip install -e {folder} && autoloss plugins check {kind.value} {name} && "
               f"autoloss run {folder / 'recipe.yaml'}")  # fmt: skip


def _classes(words: list[str]) -> list[tuple[str, type[object]]]:
    """Return the classes to check, with the names they are shown under."""
    from automl_loss.plugins.loading import Registry, load_file

    registry, name = Registry(), words[-1]
    if len(words) == 1 and ".py:" in name:
        return [(name, load_file(name))]
    if len(words) == 1 and ":" in name and "." in name.partition(":")[0]:
        from automl_loss.plugins.import_object import import_object

        try:
            return [(name, import_object(name))]
        except (Exception, SystemExit) as error:
            raise PluginError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    kinds = [_kind(words[0])] if len(words) == 2 else _kinds_with(registry, name)
    return [(f"{kind.replace('_', ' ')} {name}", registry.load(kind, name).cls) for kind in kinds]


def _kind(word: str) -> PluginKind:
    """Return the kind of a name given on the command line."""
    try:
        return Kind(word).value
    except ValueError:
        raise typer.BadParameter(
            f"there is no plugin kind {word!r}; the kinds are {', '.join(Kind)}."
        ) from None


def _kinds_with(registry: Registry, name: str) -> list[PluginKind]:
    """Return the kinds that have a plugin of this name, `package:name` included.

    Raises:
        PluginError: there is none.
    """
    import difflib

    plugins = registry.plugins()
    kinds = [plugin.kind for plugin in plugins if name in (plugin.name, f"{plugin.package}:{plugin.name}")]
    if not kinds:
        close = difflib.get_close_matches(name, sorted({plugin.name for plugin in plugins}), n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "See `autoloss plugins list`."
        raise PluginError(f"no plugin {name!r} of any kind. {hint}")
    return list(dict.fromkeys(kinds))


def _data(loaded: LoadedPlugin) -> dict[str, object]:
    """Return the data that `plugins show --json` prints of a plugin."""
    common = _common(loaded.plugin.kind)
    return {
        **asdict(loaded.plugin),
        "description": loaded.description,
        "config": loaded.config.model_json_schema(),
        "common": common.model_json_schema() if common is not None else None,
    }


def _page(loaded: LoadedPlugin) -> str:
    """Return the text that `plugins show` prints of a plugin."""
    from automl_loss.cli._options import describe_options

    plugin, common = loaded.plugin, _common(loaded.plugin.kind)
    kind = plugin.kind.replace("_", " ")
    parts = {"Options:": describe_options(loaded.config.model_json_schema()) or ["none"]}
    if common is not None:
        parts[f"Options of every {kind}:"] = describe_options(common.model_json_schema())
    lines = [
        f"{kind} {plugin.name}  ({plugin.package} {plugin.version}, {plugin.target})",
        "",
        loaded.description,
    ]
    for title, options in parts.items():
        lines += ["", title, *(f"  {option}" for option in options)]
    return "\n".join(lines)


def _common(kind: PluginKind) -> type[BaseModel] | None:
    """Return the options that every plugin of a kind has."""
    from automl_loss.recipe.sections import SECTIONS

    return next((section.common for section in SECTIONS if section.kind == kind), None)
