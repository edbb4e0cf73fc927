"""Run the program `autoloss`: register its commands, and turn errors into messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer
from typer.main import get_command

from automl_loss.cli import compare, doctor, export, landscape, plugins, recipes, report, retrain, run, top
from automl_loss.cli.failures import INTERRUPTED, describe

_PATIENCE_S = 10.0
_DEBUG = "--debug"
_NO_LOCAL_CODE = "--no-local-code"

app = typer.Typer(
    name="autoloss",
    help="Find a loss function under which your model does better on unseen data.",
    epilog="Start with: autoloss run quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.run)
app.command()(compare.compare)
app.command()(top.top)
app.command()(report.report)
app.command()(export.export)
app.command()(retrain.retrain)
app.command()(landscape.landscape)
app.add_typer(recipes.app, name="recipes")
app.add_typer(plugins.app, name="plugins")
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        import automl_loss

        typer.echo(f"autoloss {automl_loss.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option(_DEBUG, help="Show the traceback of an error; may stand anywhere on the line.")
    ] = False,
    no_local_code: Annotated[
        bool,
        typer.Option(
            _NO_LOCAL_CODE, help="Import installed plugins alone: no `import:`, no local plugin or metric."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: of the command line, after the program's name; default: those of this process.

    Returns:
        The exit code: 0 done, 1 failed, 2 usage or recipe, 3 plugin, 4 no valid candidate, 5 cannot resume,
        130 interrupted.
    """
    _open_closed_streams()
    words, debug = _take_switch(_DEBUG, sys.argv[1:] if arguments is None else list(arguments))
    words, refuse_local = _take_switch(_NO_LOCAL_CODE, words)
    # Before torch is imported: see `LocalExecutor`.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if refuse_local:
        from automl_loss.plugins import local_code  # imports pydantic, which `--help` does without

        os.environ[local_code.VARIABLE] = "1"
    try:
        with _interruptible(at_exit=arguments is None):
            code = _invoke(words)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except (Exception, KeyboardInterrupt) as error:
        code, message = describe(error)
        if debug:
            traceback.print_exception(error)
        print(message, file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            # For example, output goes to a full disk, which the error above reports.
            _silence_stdout()
        if code == INTERRUPTED and arguments is None:
            # Python would wait for a worker process that an interrupt left behind; it ends by itself once this one has.
            sys.stderr.flush()
            os._exit(code)
        return code


def _invoke(words: list[str]) -> int:
    """Run one command and return its exit code; typer itself reports wrong usage and exits with 2."""
    try:
        get_command(app).main(words, prog_name="autoloss")
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            raise KeyboardInterrupt from None
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _take_switch(switch: str, words: list[str]) -> tuple[list[str], bool]:
    """Remove a switch from the arguments before `--`, and tell whether it was among them."""
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word != switch]
    return kept + words[end:], len(kept) < end


class _Interrupts:
    """Ends a command at the first Ctrl-C or SIGTERM, which schedulers send, and lets it write what it found.

    Further ones in these seconds change nothing; one after them ends the process at once, which loses nothing that is
    on record.
    """

    def __init__(self) -> None:
        self._first: float | None = None

    @property
    def used(self) -> bool:
        """Whether one came."""
        return self._first is not None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            raise KeyboardInterrupt
        if now - self._first > _PATIENCE_S:
            os._exit(INTERRUPTED)


@contextmanager
def _interruptible(*, at_exit: bool) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM stop a run so that it can be resumed, however often they are sent.

    Args:
        at_exit: whether the process ends after the block, where one more Ctrl-C would end in a traceback.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Interrupts()
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as of a job in the background of a shell
    numbers = [signal.SIGTERM] if ignored else [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, each in before.items():
            signal.signal(number, signal.SIG_IGN if at_exit and handler.used else each)


def _open_closed_streams() -> None:
    """Open the null device in place of standard streams that are closed, as for a service.

    Else Python has no `sys.stdout`, and the next file that is opened would take its place.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def _silence_stdout() -> None:
    """Redirect stdout to the null device, so that the interpreter's flush at exit does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
