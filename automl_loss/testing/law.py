"""Define `Law`, a law of a plugin kind, and `Finding`, a breach of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from automl_loss.errors import MissingDataError
from automl_loss.plugins.discovery import PluginKind


@dataclass(frozen=True)
class Finding:
    """A law that a plugin breaks.

    Args:
        law: name of the law.
        says: the law, a sentence.
        seen: the behaviour observed instead.
        remedy: how to repair the plugin.
        skipped: whether the law could not be checked, which is no breach: the data are not on this machine.
    """

    law: str
    says: str
    seen: str
    remedy: str
    skipped: bool = False

    def __str__(self) -> str:
        state = "not looked at" if self.skipped else "seen"
        return f"{self.law}: {self.says}\n  {state}: {self.seen}\n  remedy: {self.remedy}"


@dataclass(frozen=True)
class Subject:
    """The plugin under test.

    Args:
        cls: the plugin class.
        kind: the plugin kind.
        options: options of its `Config`; others have their defaults.
        notes: results that laws share; a law that finds no entry computes it.
    """

    cls: type[Any]
    kind: PluginKind
    options: dict[str, Any]
    notes: dict[str, Any] = field(default_factory=dict, compare=False)

    def config(self) -> Any:
        """Return the validated configuration."""
        return self.cls.Config(**self.options)


@dataclass(frozen=True)
class Law:
    """A law of a plugin kind.

    Args:
        name: short, with hyphens.
        says: the law, a sentence.
        remedy: how to repair a plugin that breaks it.
        look: returns the behaviour observed where the law is broken, and `None` where it is kept.
    """

    name: str
    says: str
    remedy: str
    look: Callable[[Subject], str | None]

    def check(self, subject: Subject) -> Finding | None:
        """Return a finding if the subject breaks the law, or raises any exception; else `None`."""
        try:
            seen = self.look(subject)
        except KeyboardInterrupt:
            raise
        except MissingDataError as error:
            return Finding(self.name, self.says, str(error), "Get the data, and check again.", skipped=True)
        except BaseException as error:  # the plugin's own code may raise anything, SystemExit included
            seen = f"{type(error).__name__}: {error}"
        return None if seen is None else Finding(self.name, self.says, seen, self.remedy)


def law(name: str, says: str, remedy: str) -> Callable[[Callable[[Subject], str | None]], Law]:
    """Decorate a function as the check of a law."""

    def make(look: Callable[[Subject], str | None]) -> Law:
        return Law(name, says, remedy, look)

    return make
