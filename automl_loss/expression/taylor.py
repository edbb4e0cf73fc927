r"""Build Taylor polynomials as expressions, the loss language of TaylorGLO (arXiv 2002.00059).

Around a centre (t0 for the target y, t1 for the prediction f), terms without f dropped,

    P(y, f) = sum over i + j <= k, j >= 1 of  t_ij / (i! j!) (y - t0)^i (f - t1)^j,

whose negative, summed over the outputs, is the loss. It is plain arithmetic, so it runs on the compiled kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial

from automl_loss.errors import ExpressionError
from automl_loss.expression.expression import Expression
from automl_loss.expression.vocabulary import ADD, MUL, SUB, F, Y, constant


def taylor_powers(degree: int) -> tuple[tuple[int, int], ...]:
    """Return the powers (i, j) of y - t0 and f - t1, in the order of the parameters after the centre.

    First the powers of f - t1 alone, then the mixed ones by falling power of f - t1 within rising total.

    Args:
        degree: k, at least 1.

    Raises:
        ExpressionError: the degree is below 1.

    Example:
        >>> taylor_powers(3)
        ((0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (2, 1))
    """
    if degree < 1:
        raise ExpressionError(f"the degree of a Taylor polynomial must be 1 or more but got {degree}.")
    alone = [(0, j) for j in range(1, degree + 1)]
    mixed = [(i, total - i) for total in range(2, degree + 1) for i in range(1, total)]
    return (*alone, *mixed)


def taylor_expression(parameters: Sequence[float], degree: int = 3) -> Expression:
    """Return the elementwise loss -P(y, f) as an expression with constants, by Horner's rule.

    Args:
        parameters: t0, t1, and one t_ij for each of `taylor_powers(degree)`; 5 numbers for degree 2, 8 for 3, 12
            for 4. Terms whose parameter is 0 are left out.
        degree: k, at least 1.

    Raises:
        ExpressionError: the number of parameters does not go with the degree, or one is not finite.

    Example:
        >>> str(taylor_expression([0.5, 0.25, 1.0, 0.0, 0.0, 2.0, 0.0, 0.0]))
        'mul(sub(f, 0.25), add(-1, mul(sub(y, 0.5), -2)))'
    """
    powers = taylor_powers(degree)
    if len(parameters) != 2 + len(powers):
        raise ExpressionError(
            f"a Taylor polynomial of degree {degree} has {2 + len(powers)} parameters but got {len(parameters)}."
        )
    centre_y, centre_f, *rest = parameters
    target, prediction = _shifted(Expression(Y), centre_y), _shifted(Expression(F), centre_f)
    factors = {
        (i, j): -float(value) / (factorial(i) * factorial(j))
        for (i, j), value in zip(powers, rest, strict=True)
    }
    by_f: list[Expression | None] = [None]
    for j in range(1, degree + 1):
        column = [factors[i, j] for i in range(degree - j + 1)]
        by_f.append(_horner([Expression(constant(number)) if number else None for number in column], target))
    return _horner(by_f, prediction) or Expression(constant(0.0))


def _shifted(variable: Expression, centre: float) -> Expression:
    return Expression(SUB, (variable, Expression(constant(centre)))) if centre else variable


def _horner(coefficients: Sequence[Expression | None], variable: Expression) -> Expression | None:
    """Build c0 + x (c1 + x (c2 + ...)); `None` stands for a coefficient, or a result, of 0."""
    result: Expression | None = None
    for coefficient in reversed(coefficients):
        if result is not None:
            result = Expression(MUL, (variable, result))
        if coefficient is not None:
            result = coefficient if result is None else Expression(ADD, (coefficient, result))
    return result
