"""What the report calls things."""

from __future__ import annotations

_LONGEST = 30

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


def contestant_name(role: str, loss: str) -> str:
    """A contestant on one or two short lines; a found loss is named by its role alone.

    Example:
        >>> contestant_name("handcrafted", "gce(q=0.3)")
        'best handcrafted\\ngce(q=0.3)'
    """
    name = ROLE_NAMES[role]
    return name if role == "found" else f"{name}\n{loss if len(loss) <= _LONGEST else loss[:_LONGEST] + '…'}"
