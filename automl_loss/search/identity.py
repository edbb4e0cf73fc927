"""Who a plugin is, and whose fault an exception is: told with name, package and version."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from automl_loss.errors import AutolossError, PluginError, RecipeError
from automl_loss.plugins.contract import BASES
from automl_loss.plugins.discovery import SHIPPED, PluginKind, label
from automl_loss.plugins.executor import Failure
from automl_loss.plugins.process_state import Kept, kept

MEND = "Mend or upgrade it."
GO_ON = "Everything so far is recorded: mend or upgrade it, then go on with --resume."


def short(value: Any) -> str:
    """The value as a message shows it: its `repr`, cut, or its type where that fails."""
    try:
        text = " ".join(repr(value).split())
    except Exception as error:  # the plugin's own `__repr__`
        text = f"a {type(value).__name__} whose repr fails ({type(error).__name__})"
    return text if len(text) <= 80 else f"{text[:77]}..."


@dataclass(frozen=True)
class Identity:
    """Who a plugin is, for messages.

    Args:
        kind: which kind.
        name: as the recipe writes it.
        cls: name of its class.
        origin: where it comes from: `of acme 1.0`.
        modules: where its class and those it derives from are written, the core's own left out.
    """

    kind: PluginKind
    name: str
    cls: str
    origin: str
    modules: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kind: PluginKind, name: str, origin: str, plugin: type[Any]) -> Identity:
        """The identity of a plugin's class."""
        modules = {each.__module__ for each in plugin.__mro__ if each not in BASES[kind].__mro__}
        return cls(kind, name, plugin.__name__, origin, frozenset(modules))

    @property
    def files(self) -> list[str]:
        """Files of its modules."""
        found = (getattr(sys.modules.get(name), "__file__", None) for name in self.modules)
        return [file for file in found if file]

    def __str__(self) -> str:
        return f"{label(self.kind)} {self.cls} ({self.name!r} {self.origin})"

    @property
    def own(self) -> bool:
        """Whether it is shipped with automl-loss; what is wrong with its rows is then the user's data."""
        return self.origin.startswith(f"of {SHIPPED} ")

    def refuse(self, what: str, advice: str = MEND) -> AutolossError:
        """What to raise for something that the plugin gave.

        Args:
            what: what it did, what is expected and how to mend it, as it goes on after the plugin's name.
            advice: the last sentence.
        """
        if self.own and self.kind == "task":
            return RecipeError(f"{self.kind} {self.name} {what}")
        return PluginError(f"{self} {what} {advice}")

    def kept(self, but: Sequence[str] = ()) -> AbstractContextManager[Kept]:
        """Put back what the plugin's code changes of the process; see `kept`."""
        return kept(str(self), but)

    def fault(self, where: str, failure: BaseException | Failure, advice: str = MEND) -> PluginError:
        """What to raise for an exception that came out of the plugin, here or in a worker."""
        if not isinstance(failure, Failure):
            failure = Failure.of(failure)
        error = failure.error
        said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
        place = f" ({failure.place})" if failure.place else ""
        return PluginError(f"{self} failed in {where}: {said}{place}. {advice}")

    @contextmanager
    def guard(self, where: str, but: Sequence[str] = ()) -> Iterator[None]:
        """Turn what the plugin raises in the block into its fault; errors of automl-loss pass.

        What it changes of the process is put back.

        Args:
            where: what it is doing.
            but: settings of the process that it may change.

        Raises:
            PluginError: the block raised another exception, `SystemExit` included.
        """
        try:
            with self.kept(but):
                yield
        except AutolossError:
            raise
        except (Exception, SystemExit) as error:
            raise self.fault(where, error) from error


@contextmanager
def blaming(suspects: Sequence[Identity], where: str) -> Iterator[None]:
    """Turn an exception into the fault of the plugin whose code it came out of; others pass.

    Args:
        suspects: plugins at work in the block.
        where: what they were doing.

    Raises:
        PluginError: an exception came through the code of a suspect; no error of automl-loss, which says enough.
    """
    try:
        yield
    except AutolossError:
        raise
    except (Exception, SystemExit) as error:
        guilty = culprit(error, suspects)
        if guilty is not None:
            raise guilty.fault(where, error) from error
        raise


def culprit(error: BaseException, suspects: Sequence[Identity]) -> Identity | None:
    """The plugin whose code an exception came out of last, in this process or in a worker; `None`: of no suspect."""
    passed = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    for module in reversed(passed):
        for who in suspects:
            if module in who.modules:
                return who
    # A worker sends the traceback as a note.
    told = "\n".join(getattr(error, "__notes__", ()))
    places = {who: max(told.rfind(f'File "{file}"') for file in [*who.files, "\0"]) for who in suspects}
    last = max(places, key=places.__getitem__, default=None)
    return last if last is not None and places[last] >= 0 else None
