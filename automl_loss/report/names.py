"""What the report calls things."""

from __future__ import annotations

import textwrap

ROLE_NAMES = {"found": "found loss", "handcrafted": "best handcrafted", "task_loss": "task loss"}

STAGE_NAMES = {
    "setup": "setting up",
    "learning_rate": "learning rate of the search",
    "strategy": "strategy",
    "filters": "filters",
    "evaluation": "evaluating candidates",
    "ledger": "recording",
    "handcrafted": "handcrafted losses",
    "finalists": "final round",
    "retraining": "retraining",
}

FATE_NAMES = {
    "evaluated": "trained",
    "equivalence": "same formula",
    "gradient_equivalence": "same gradients",
    "cached": "seen before",
    "gradient": "useless gradient",
    "rejection": "cannot train outputs",
    "strategy": "dropped by the strategy",
    "rejected": "rejected",
    "pruned": "stopped early",
    "diverged": "diverged",
    "failed": "failed",
}
"""Filters and statuses, in the order they are stacked."""


def contestant_name(role: str, loss: str, width: int) -> str:
    """A contestant on two short lines; a found loss is named by its role alone.

    Example:
        >>> contestant_name("handcrafted", "gce(q=0.3)", width=20)
        'best handcrafted:\\ngce(q=0.3)'
    """
    if role == "found":
        return ROLE_NAMES[role]
    return f"{ROLE_NAMES[role]}:\n{textwrap.shorten(loss.replace('_', ' '), width, placeholder='…')}"
