"""Evaluator `partial-training`, which trains a fresh network under each loss without tuning."""

from __future__ import annotations

from collections.abc import Sequence

from autoloss_evaluators._fitness import evaluate
from automl_loss import Candidate, Context, Evaluator, Outcome


class PartialTraining(Evaluator):
    """Trains a fresh network under each loss, without tuning its weights."""

    plugin_api = 1
    tunes = False

    def evaluate(self, candidates: Sequence[Candidate], context: Context) -> list[Outcome]:
        """See `Evaluator.evaluate`; the recipe's `training` section says how."""
        return evaluate(candidates, context, tune=False)
