"""Evaluator `bilevel`, which tunes a loss's weights by meta-gradients, then trains partially."""

from __future__ import annotations

from collections.abc import Sequence

from autoloss_evaluators._fitness import evaluate
from automl_loss import Candidate, Context, Evaluator, Outcome


class Bilevel(Evaluator):
    """Tunes the weights of each loss by meta-gradients, then trains a fresh network under it."""

    plugin_api = 1

    def evaluate(self, candidates: Sequence[Candidate], context: Context) -> list[Outcome]:
        """See `Evaluator.evaluate`; the recipe's `tuning` and `training` sections say how."""
        return evaluate(candidates, context, tune=True)
