"""Implement `autoloss doctor`: check the installation, and give remedies for faults."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from automl_loss.errors import AutolossError, PluginError, RecipeError

_RUNS = Path("runs")


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Args:
        subject: the part that was checked.
        state: `ok`, `note` (worth knowing, nothing to repair) or `fault`.
        text: the result, with the remedy unless it is `ok`.
        exit_code: the command's exit code, if this is the worst of the faults.
    """

    subject: str
    state: Literal["ok", "note", "fault"]
    text: str
    exit_code: int = 0


def doctor(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Check this directory of a run or a comparison instead.", metavar="[DIR]"),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Keep what can be kept of what is damaged in DIR.")
    ] = False,
) -> None:
    """Check Python, torch, the kernel cache, every plugin and the folder of runs; or what is damaged in DIR."""
    if directory is not None:
        _check_directory(directory, repair=repair)
        return
    if repair:
        raise RecipeError("--repair needs the directory that is to be repaired: autoloss doctor DIR --repair")
    findings = []
    for check in CHECKS:
        for finding in check():
            findings.append(finding)
            mark = {"ok": "ok   ", "note": "note ", "fault": "FAULT"}[finding.state]
            typer.echo(f"{mark}  {finding.subject}: {finding.text}")
    codes = {finding.exit_code for finding in findings if finding.state == "fault"}
    if not codes:
        typer.echo("All is in order.")
        return
    # Exit code 3 means that plugins are broken and nothing else is.
    raise typer.Exit(PluginError.exit_code if codes == {PluginError.exit_code} else AutolossError.exit_code)


def _check_directory(directory: Path, *, repair: bool) -> None:
    """Print what is damaged in a directory, and mend it if asked; exit code 1 while something is."""
    from automl_loss.record.health import damages, mend
    from automl_loss.record.run_directory import CELLS

    found = damages(directory)
    for damage in found:
        typer.echo(f"FAULT  {damage.file}: {damage.what}.")
        if damage.mend is not None:
            typer.echo(f"       {'Repaired' if repair else '--repair'}: {damage.kept}.")
    if repair and found:
        mend(directory, found)
        found = damages(directory)
        command = "compare" if (directory / CELLS).is_dir() else "run"
        typer.echo(
            f"Repaired. Go on with: autoloss {command} {directory / 'recipe.yaml'} -o {directory} --resume"
        )
    if found:
        raise typer.Exit(AutolossError.exit_code)
    if not repair:
        typer.echo("All is in order.")


def check_python() -> Iterator[Finding]:
    """Report the versions of Python and automl-loss."""
    import automl_loss

    yield Finding(
        "python",
        "ok",
        f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}",
    )
    yield Finding("automl-loss", "ok", f"{automl_loss.__version__} in {Path(automl_loss.__file__).parent}")


def check_torch() -> Iterator[Finding]:
    """Check that torch can be imported, and report its devices."""
    try:
        import torch
    except (ImportError, OSError) as error:
        text = f"cannot be imported ({error}). Install it again: pip install --force-reinstall torch"
        yield Finding("torch", "fault", text, AutolossError.exit_code)
        return
    devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    yield Finding(
        "torch",
        "ok",
        f"{torch.__version__}, {torch.get_num_threads()} threads, cuda: {', '.join(devices) or 'none'}",
    )


def check_kernels() -> Iterator[Finding]:
    """Check that the compiled kernels can be kept on disk."""
    try:
        from automl_loss.engine.kernels import _entries
    except (ImportError, OSError) as error:
        text = f"cannot be imported ({error}). Install it again: pip install --force-reinstall numba"
        yield Finding("compiled kernels", "fault", text, AutolossError.exit_code)
        return
    kernel: Any = _entries.value
    folder = kernel.stats.cache_path
    if folder is None:
        text = (
            "no folder can be written to keep them in, so every process spends seconds on compiling them. "
            "Set NUMBA_CACHE_DIR to a folder that can be written."
        )
        yield Finding("compiled kernels", "note", text)
        return
    yield Finding("compiled kernels", "ok", f"kept in {folder}")


def check_plugins() -> Iterator[Finding]:
    """Check that every installed plugin loads and that no two share a name."""
    from automl_loss.plugins.discovery import label
    from automl_loss.plugins.loading import Registry

    registry = Registry(warn=False)
    plugins = registry.plugins()
    for damage in registry.damages:
        if damage.plugins:
            yield Finding("package", "fault", str(damage), PluginError.exit_code)
        else:
            yield Finding("package", "note", str(damage))
    sound = 0
    for plugin in plugins:
        try:
            registry.load(plugin.kind, f"{plugin.package}:{plugin.name}")
            sound += 1
        except PluginError as error:
            yield Finding("plugin", "fault", str(error), PluginError.exit_code)
    for (kind, name), count in Counter((plugin.kind, plugin.name) for plugin in plugins).items():
        if count > 1:
            rivals = [f"{p.package}:{name}" for p in plugins if (p.kind, p.name) == (kind, name)]
            text = f"{label(kind)} {name!r} is offered {count} times; write {' or '.join(rivals)} in recipes."
            yield Finding("plugin", "note", text)
    yield Finding("plugins", "ok", f"{sound} of {len(plugins)} load")


def check_folder() -> Iterator[Finding]:
    """Check that the default folder of runs can be written."""
    folder = _RUNS if _RUNS.exists() else Path()
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"autoloss")
            stream.flush()
    except OSError as error:
        text = f"{folder.resolve()} cannot be written ({error.strerror}). Change folder, or run with -o DIR."
        yield Finding("folder of runs", "fault", text, AutolossError.exit_code)
        return
    yield Finding("folder of runs", "ok", f"{_RUNS.resolve()} can be written")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_torch,
    check_kernels,
    check_plugins,
    check_folder,
)
