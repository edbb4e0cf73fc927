"""Strategy `random`, which proposes random expressions, as a baseline for other searches."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from autoloss_gp.expression_strategy import ExpressionStrategy
from autoloss_gp.population import Proposal
from automl_loss import Outcome


class RandomSearch(ExpressionStrategy):
    """Proposes distinct random expressions, which are repaired, filtered, tuned and trained as those of evomal are."""

    plugin_api = 1
    default_evaluator = "bilevel"

    class Config(ExpressionStrategy.Config):
        """Options of random search; the total is `population * generations`."""

        generations: int = Field(20, ge=1, description="Generations after which the strategy is done.")

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Ignore the outcomes."""

    def _propose(self) -> list[Proposal]:
        return self._random_proposals(self.config.population)
