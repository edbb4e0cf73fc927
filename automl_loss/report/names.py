"""Names that the report shows for roles, phases, stages and fates."""

from __future__ import annotations

_LONGEST = 30

ROLE_NAMES = {
    "found": "found loss",
    "handcrafted": "best handcrafted",
    "task_loss": "task loss",
    "task_loss_on_validation": "clean rows alone",
    "task_loss_on_both": "all rows",
}

PHASE_NAMES = {
    "learning_rate": "learning rate of the search",
    "search": "search",
    "handcrafted": "handcrafted losses",
    "finalists": "final round",
    "retraining": "retraining",
}

STAGE_NAMES = {
    "training": "training networks",
    "kernels": "values and gradients of losses",
    "tuning": "tuning losses",
    "filters": "filters",
    "strategy": "strategy",
    "ledger": "recording",
    "table": "showing progress",
    "other": "other",
    "waiting": "workers waiting",
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
    """Name a contestant on one or two short lines; a found loss is named by its role alone.

    Example:
        >>> contestant_name("handcrafted", "gce(q=0.3)")
        'best handcrafted\\ngce(q=0.3)'
    """
    name = ROLE_NAMES[role]
    return name if role == "found" else f"{name}\n{loss if len(loss) <= _LONGEST else loss[:_LONGEST] + '…'}"
