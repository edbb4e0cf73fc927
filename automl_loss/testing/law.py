"""A law of a plugin kind, and a finding against it."""

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
        law: its name.
        says: the law, a sentence.
        seen: what was seen instead.
        remedy: how to mend it.
        skipped: whether the law could not be looked at, which is no breach: the data are not on this machine.
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
        cls: its class.
        kind: which kind.
        options: in place of the defaults of its `Config`.
        notes: what one law found out and others need, too; a law that finds nothing there looks for itself.
    """

    cls: type[Any]
    kind: PluginKind
    options: dict[str, Any]
    notes: dict[str, Any] = field(default_factory=dict, compare=False)

    def config(self) -> Any:
        """A validated configuration."""
        return self.cls.Config(**self.options)


@dataclass(frozen=True)
class Law:
    """One law.

    Args:
        name: short, with hyphens.
        says: the law, a sentence.
        remedy: how to mend a plugin that breaks it.
        look: says what was seen where the law is broken, and `None` where it is kept.
    """

    name: str
    says: str
    remedy: str
    look: Callable[[Subject], str | None]

    def check(self, subject: Subject) -> Finding | None:
        """A finding where the subject breaks the law; whatever the plugin raises on the way is one, too."""
        try:
            seen = self.look(subject)
        except KeyboardInterrupt:
            raise
        except MissingDataError as error:
            return Finding(self.name, self.says, str(error), "Get the data, and check again.", skipped=True)
        except BaseException as error:  # a plugin's own code, SystemExit included
            seen = f"{type(error).__name__}: {error}"
        return None if seen is None else Finding(self.name, self.says, seen, self.remedy)


def law(name: str, says: str, remedy: str) -> Callable[[Callable[[Subject], str | None]], Law]:
    """Make a law of a function."""

    def make(look: Callable[[Subject], str | None]) -> Law:
        return Law(name, says, remedy, look)

    return make
