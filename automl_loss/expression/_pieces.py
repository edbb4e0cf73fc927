"""Split expressions in canonical form into constant factors, factors and terms, and build them from these."""

from __future__ import annotations

from collections.abc import Sequence

from automl_loss.expression._folding import rounded
from automl_loss.expression.expression import Expression
from automl_loss.expression.vocabulary import MUL, constant, is_standard


def literal(value: float) -> Expression:
    """Return the constant as an expression."""
    return Expression(constant(value))


def multiple(coefficient: float, core: Expression) -> Expression:
    """Multiply an expression that has no constant factor itself by a constant."""
    if coefficient == 1.0:
        return core
    if core.primitive.value is not None:
        return literal(rounded(coefficient * core.primitive.value))
    return Expression(MUL, (literal(coefficient), core))


def is_a(expression: Expression, name: str) -> bool:
    """Return whether the root is the standard primitive of that name."""
    return expression.primitive.name == name and is_standard(expression.primitive)


def is_sum(expression: Expression) -> bool:
    """Return whether the root adds or subtracts."""
    return is_a(expression, "add") or is_a(expression, "sub")


def split(x: Expression) -> tuple[float, Expression | None]:
    """Split an expression in canonical form into its constant factor and the rest; `None` for a constant's rest."""
    if x.primitive.value is not None:
        return x.primitive.value, None
    if is_a(x, "mul") and x.children[0].primitive.value is not None:
        return x.children[0].primitive.value, x.children[1]
    return 1.0, x


def factors_of(product: Expression) -> list[Expression]:
    """Return the factors of a product in canonical form."""
    factors: list[Expression] = []
    while is_a(product, "mul"):
        factors.append(product.children[1])
        product = product.children[0]
    return [*factors, product]


def terms_of(x: Expression) -> list[tuple[float, Expression | None]]:
    """Return the terms of a sum in canonical form with their coefficients."""
    factor, core = split(x)
    if core is None or abs(factor) != 1.0 or not is_sum(core):
        return [(factor, core)]
    terms: list[tuple[float, Expression | None]] = []
    while is_sum(core):
        sign = 1.0 if is_a(core, "add") else -1.0
        core, last = core.children
        coefficient, rest = split(last)
        terms.append((factor * sign * coefficient, rest))
    coefficient, rest = split(core)
    return [*terms, (factor * coefficient, rest)]


def like_terms(terms: Sequence[tuple[float, Expression]]) -> list[tuple[float, Expression]]:
    """Add the coefficients of equal terms, and drop the terms that vanish."""
    totals: dict[Expression, float] = {}
    for coefficient, term in terms:
        totals[term] = totals.get(term, 0.0) + coefficient
    return [(rounded(total), term) for term, total in totals.items() if rounded(total) != 0.0]
