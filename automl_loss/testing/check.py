"""Check all laws of a plugin's kind, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from automl_loss.errors import PluginError
from automl_loss.plugins.contract import BASES
from automl_loss.plugins.discovery import PluginKind
from automl_loss.testing.law import Finding, Law, Subject


def check_plugin(cls: type[Any], options: Mapping[str, Any] | None = None) -> list[Finding]:
    """Check every law of a class's plugin kind.

    Args:
        cls: a plugin class.
        options: options of its `Config`; default: the defaults.

    Returns:
        A finding for each law that is broken; empty for a sound plugin. Laws that could not be checked, for lack of
        data, are findings with `skipped`.

    Raises:
        PluginError: the class belongs to no plugin kind.

    Example:
        >>> from autoloss_baselines.handcrafted import Handcrafted
        >>> check_plugin(Handcrafted)
        []
    """
    subject = Subject(cls, kind_of(cls), dict(options or {}))
    with _one_thread():
        return [finding for each in laws_of(subject.kind) if (finding := each.check(subject)) is not None]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run a block with one thread: on small batches threads gain little, and on a busy machine they wait."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def kind_of(cls: type[Any]) -> PluginKind:
    """Return the plugin kind of a class.

    Raises:
        PluginError: it belongs to none.
    """
    for kind, base in BASES.items():
        if isinstance(cls, type) and issubclass(cls, base):
            return kind
    bases = ", ".join(base.__name__ for base in BASES.values())
    raise PluginError(f"{cls!r} is of no plugin kind; derive from one of {bases}.")


def laws_of(kind: PluginKind) -> tuple[Law, ...]:
    """Return the laws of a kind, the common ones first."""
    from automl_loss.testing import common, evaluators, executors, models, primitive_sets, strategies, tasks

    own = {
        "strategy": strategies,
        "primitive_set": primitive_sets,
        "task": tasks,
        "model": models,
        "evaluator": evaluators,
        "executor": executors,
    }[kind]
    return (*common.LAWS, *own.LAWS)
