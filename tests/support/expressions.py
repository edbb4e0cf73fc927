"""Random expressions and the points to evaluate them at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import torch
from hypothesis import strategies as st
from torch import Tensor

from automl_loss.expression import Expression, Primitive, constant, standard_primitives
from automl_loss.expression.vocabulary import STANDARD_FUNCTIONS

EDGES = (0.0, 1.0, -1.0, 0.5, 1e-8, -1e-3, 0.999, 3.0, -40.0, 1e4)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN_NUMBERS = st.sampled_from((1.0, -1.0, 2.0, 0.5, -3.0, 0.25))
WEIGHTS = st.floats(0.125, 2.0) | st.floats(-2.0, -0.125) | st.just(1.0)


def expressions(
    functions: Iterable[Primitive] = STANDARD_FUNCTIONS,
    numbers: st.SearchStrategy[float] = PLAIN_NUMBERS,
    max_leaves: int = 10,
) -> st.SearchStrategy[Expression]:
    """Trees over y, f, numbers and the functions."""
    variables = st.sampled_from([Expression(terminal) for terminal in standard_primitives("y", "f")])
    leaves = variables | numbers.map(lambda number: Expression(constant(number)))
    by_arity: dict[int, list[Primitive]] = {}
    for function in functions:
        by_arity.setdefault(function.arity, []).append(function)

    def grow(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        return st.one_of(
            st.builds(Expression, st.sampled_from(words), st.tuples(*[children] * arity))
            for arity, words in by_arity.items()
        )

    return st.recursive(leaves, grow, max_leaves=max_leaves)


def weights_of(expression: Expression) -> st.SearchStrategy[tuple[float, ...]]:
    """One weight a node, away from zero."""
    return st.lists(WEIGHTS, min_size=expression.size, max_size=expression.size).map(tuple)


def points() -> dict[str, Tensor]:
    """Each pair of edge values as (y, f), and 60 random pairs, in float64."""
    generator = torch.Generator().manual_seed(0)
    pairs = torch.tensor(list(product(EDGES, EDGES)), dtype=torch.float64)
    drawn = torch.randn(60, 2, generator=generator, dtype=torch.float64)
    y, f = torch.cat([pairs, drawn]).unbind(1)
    return {"y": y, "f": f}


def chain(length: int) -> Expression:
    """tanh of add(f, tanh of ...), `length` functions deep."""
    add, tanh, f = standard_primitives("add", "tanh", "f")
    expression = Expression(f)
    for index in range(length):
        children = (expression,) if index % 2 else (Expression(f), expression)
        expression = Expression(tanh if index % 2 else add, children)
    return expression
