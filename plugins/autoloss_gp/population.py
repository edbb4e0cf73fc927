"""Define individuals of a population, and remember the expressions that a run has asked."""

from __future__ import annotations

from dataclasses import dataclass

from automl_loss import Expression, Outcome, canonical_key


@dataclass(frozen=True)
class Proposal:
    """An expression to be asked.

    Args:
        expression: contains y and f, within the height limit.
        parents: ids of the candidates it descends from.
    """

    expression: Expression
    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class Individual:
    """A member of the population: an expression that was asked, and its outcome."""

    expression: Expression
    outcome: Outcome

    @property
    def id(self) -> int:
        """The candidate's id."""
        return self.outcome.id


class Novelty:
    """Remembers the canonical keys of a run's expressions.

    Args:
        weighted: whether each node will carry a weight of its own. Then `sub(f, f)` is not zero, and fewer
            expressions are equivalent.
    """

    def __init__(self, weighted: bool) -> None:
        self._weighted = weighted
        self._keys: set[str] = set()

    def claim(self, expression: Expression) -> bool:
        """Remember the expression, and return whether none equivalent to it was claimed before."""
        key = canonical_key(expression, self._weighted)
        is_new = key not in self._keys
        self._keys.add(key)
        return is_new
