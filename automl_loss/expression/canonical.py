"""Bring expressions into canonical form, so that expressions of the same function are written alike.

The form decides identity only; the expression that is evaluated stays as proposed. Bottom up, every node becomes

    sums         of terms in order, the first with a positive sign, the constant last
    products     of one constant, in front, and factors in order
    min and max  of arguments in order

so that constants fold and signs move outward: -(a - b) is b - a, and functions of |x| drop the sign of x.

All rules hold at unit weights. Where weights may be tuned, rules that merge separately weighted subtrees do
not apply: there `sub(f, f)` is not zero, nor is `sub(1, 1)`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from automl_loss.expression._folding import applied, rounded
from automl_loss.expression._pieces import (
    factors_of,
    is_a,
    is_sum,
    like_terms,
    literal,
    multiple,
    split,
    terms_of,
)
from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive
from automl_loss.expression.vocabulary import ABS, ADD, DIV, MAX, MIN, MUL, SQUARE, SUB, is_standard

_STEPS = 100_000
"""Nodes that the rules may compare before an expression counts as its own canonical form."""

_DEPTH = 50
"""Levels of recursion of a rule before an expression counts as its own canonical form."""

_EVEN = frozenset(("square", "abs", "log", "sqrt"))
_MULTIPLICATIVE = frozenset(("square", "abs", "sign"))
_NONNEGATIVE = frozenset(("square", "abs", "sqrt", "exp", "sigmoid", "power"))


def canonical_key(expression: Expression, weighted: bool = True) -> str:
    """Return a text that is the same for equivalent expressions.

    Args:
        expression: over any primitives; rules are known for the standard vocabulary.
        weighted: whether each node carries a weight that may be tuned, as in `SymbolicLoss`.

    Example:
        >>> from automl_loss.expression import parse
        >>> canonical_key(parse("abs(square(sub(f, y)))"), weighted=True)
        'square(sub(f, y))'
        >>> canonical_key(parse("square(sub(y, add(f, sub(f, f))))"), weighted=False)
        'square(sub(f, y))'
    """
    return str(canonical(expression, weighted))


def canonical(expression: Expression, weighted: bool) -> Expression:
    """Return an expression in canonical form whose value at unit weights is that of the original.

    Applying it again changes nothing. Arguments as in `canonical_key`.

    Sums, products and extrema are put in order again at each node above them, so a chain of n of them takes n^2
    steps. An expression that takes more than `_STEPS`, a chain of about 300, is its own canonical form.
    """
    rules = _Rules(weighted)
    try:
        return expression.fold(lambda _, primitive, children: rules.node(primitive, children))
    except _TooManyStepsError:
        return expression


class _TooManyStepsError(Exception):
    """The canonical form of an expression takes too long."""


class _Rules:
    """Builds nodes in canonical form from children in canonical form.

    Raises:
        _TooManyStepsError: the nodes built took more than `_STEPS` together, or a rule recurses deeper than `_DEPTH`.
    """

    def __init__(self, weighted: bool) -> None:
        self._weighted = weighted
        self._steps = 0
        self._depth = 0

    def _count(self, expressions: Iterable[Expression]) -> None:
        """Count the nodes whose text a rule compares."""
        self._steps += sum([expression.size for expression in expressions])
        if self._steps > _STEPS:
            raise _TooManyStepsError

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        """Count the levels of a rule that applies itself to a part of its argument."""
        self._depth += 1
        if self._depth > _DEPTH:
            raise _TooManyStepsError
        try:
            yield
        finally:
            self._depth -= 1

    def node(self, primitive: Primitive, children: Sequence[Expression]) -> Expression:
        if not children:
            return Expression(primitive) if primitive.value is None else literal(primitive.value)
        if not is_standard(primitive):
            if primitive.commutative:
                self._count(children)
            ordered = sorted(children, key=str) if primitive.commutative else children
            return Expression(primitive, tuple(ordered))
        name = primitive.name
        if name == "add":
            return self._sum([*terms_of(children[0]), *terms_of(children[1])])
        if name == "sub":
            return self._sum([*terms_of(children[0]), *((-c, x) for c, x in terms_of(children[1]))])
        if name == "mul":
            return self._product(children)
        values = [child.primitive.value for child in children if child.primitive.value is not None]
        if len(values) == len(children):
            return literal(applied(name, *values))
        if name == "div":
            return self._quotient(*children)
        if name in ("min", "max"):
            return self._extremum(primitive, children)
        if name == "power":
            return Expression(primitive, (self._magnitude(children[0]), children[1]))
        return self._unary(primitive, children[0])

    def _sum(self, terms: Iterable[tuple[float, Expression | None]]) -> Expression:
        """Build a sum from pairs of coefficient and expression; `None` in place of an expression is the number one."""
        numbers: list[float] = []
        rest: list[tuple[float, Expression]] = []
        for coefficient, term in terms:
            if term is None:
                numbers.append(coefficient)
            else:
                rest.append((coefficient, term))
        self._count([x for _, x in rest])
        if not self._weighted:
            rest = like_terms(rest)
            if any(abs(c) == 1.0 and is_sum(x) for c, x in rest):  # e.g. two halves of one sum
                terms = (t for c, x in rest for t in terms_of(multiple(c, x)))
                with self._deeper():
                    return self._sum([*((n, None) for n in numbers), *terms])
        number = rounded(sum(numbers))
        if self._weighted and number == 0.0 and any(numbers):
            # Constants that cancel only at unit weights stay, as c - c.
            size = rounded(sum(abs(n) for n in numbers) / 2)
            rest += [(size, literal(1.0)), (-size, literal(1.0))]
        if not rest:
            return literal(number)
        forward = sorted(rest, key=_order)
        backward = sorted([(-c, x) for c, x in rest], key=_order)
        sign = 1.0
        if [(str(x), c) for c, x in backward] > [(str(x), c) for c, x in forward]:
            sign, forward, number = -1.0, backward, -number
        if len(forward) == 1 and number == 0.0:
            ((coefficient, term),) = forward
            return multiple(sign * coefficient, term)
        if forward[0][0] < 0.0:  # a cancelling pair, whose first term is negative either way
            place = next(i for i, (c, _) in enumerate(forward) if c > 0.0)
            forward.insert(0, forward.pop(place))
        total = multiple(*forward[0])
        for coefficient, term in forward[1:]:
            joint = ADD if coefficient > 0.0 else SUB
            total = Expression(joint, (total, multiple(abs(coefficient), term)))
        if number != 0.0:
            total = Expression(ADD, (total, literal(number)))
        return multiple(sign, total)

    def _product(self, children: Iterable[Expression]) -> Expression:
        coefficient = 1.0
        factors: list[Expression] = []
        seen: set[Expression] = set()
        waiting = list(children)
        self._count(waiting)
        while waiting:
            number, core = split(waiting.pop())
            coefficient *= number
            if core is None:
                continue
            if is_a(core, "mul"):
                waiting.extend(core.children)
            elif not self._weighted and core in seen:
                factors.remove(core)
                seen.remove(core)
                waiting.append(self._unary(SQUARE, core))
            else:
                factors.append(core)
                if not self._weighted:
                    seen.add(core)
        coefficient = rounded(coefficient)
        if coefficient == 0.0 or not factors:
            return literal(coefficient)
        factors.sort(key=str)
        product = factors[0]
        for factor in factors[1:]:
            product = Expression(MUL, (product, factor))
        return multiple(coefficient, product)

    def _quotient(self, a: Expression, b: Expression) -> Expression:
        """Build the quotient a / sqrt(1 + b^2), which is linear in a and even in b."""
        coefficient, core = split(a)
        divisor = self._magnitude(b)
        if divisor.primitive.value is not None:
            return self._product([a, literal(rounded(1.0 / math.hypot(1.0, divisor.primitive.value)))])
        if coefficient == 0.0:
            return literal(0.0)
        quotient = Expression(DIV, (literal(1.0) if core is None else core, divisor))
        return multiple(coefficient, quotient)

    def _extremum(self, primitive: Primitive, children: Sequence[Expression]) -> Expression:
        opposite = MAX if primitive.name == "min" else MIN
        arguments: list[Expression] = []
        numbers: list[float] = []
        seen: set[Expression] = set()
        waiting = list(children)
        self._count(waiting)
        while waiting:
            argument = waiting.pop()
            if argument.primitive.value is not None:
                numbers.append(argument.primitive.value)
            elif is_a(argument, primitive.name):
                waiting.extend(argument.children)
            elif split(argument)[0] == -1.0 and is_a(argument.children[1], opposite.name):
                waiting.extend(self._product([literal(-1.0), x]) for x in argument.children[1].children)
            elif self._weighted:
                arguments.append(argument)
            elif argument not in seen:
                arguments.append(argument)
                seen.add(argument)
        if numbers:
            arguments.append(literal(min(numbers) if primitive.name == "min" else max(numbers)))
        if all(split(argument)[0] < 0.0 for argument in arguments):
            flipped = self._extremum(opposite, [self._product([literal(-1.0), x]) for x in arguments])
            return self._product([literal(-1.0), flipped])
        arguments.sort(key=str)
        result = arguments[0]
        for argument in arguments[1:]:
            result = Expression(primitive, (result, argument))
        return result

    def _unary(self, primitive: Primitive, x: Expression) -> Expression:
        with self._deeper():
            return self._function(primitive, x)

    def _function(self, primitive: Primitive, x: Expression) -> Expression:
        name = primitive.name
        if name in _EVEN:
            x = self._magnitude(x)
        coefficient, core = split(x)
        if core is None:
            return literal(applied(name, coefficient))
        if name in _MULTIPLICATIVE:
            outside = {
                "square": coefficient * coefficient,
                "abs": coefficient,
                "sign": math.copysign(1.0, coefficient),
            }
            if is_a(core, "mul"):
                factors = [self._unary(primitive, factor) for factor in factors_of(core)]
                return self._product([literal(rounded(outside[name])), *factors])
            return multiple(rounded(outside[name]), self._multiplicative(primitive, core))
        if name == "tanh" and coefficient < 0.0:
            return multiple(-1.0, Expression(primitive, (self._product([literal(-1.0), x]),)))
        return Expression(primitive, (x,))

    def _multiplicative(self, primitive: Primitive, core: Expression) -> Expression:
        """Apply square, abs or sign to an expression that is no constant, no product, and has no constant factor."""
        name = primitive.name
        if name == "abs" and core.primitive.name in _NONNEGATIVE:
            return core
        if name == "abs" and is_a(core, "div"):
            return Expression(DIV, (self._unary(ABS, core.children[0]), core.children[1]))
        if name == "sign" and core.primitive.name in ("sign", "tanh"):
            return core if is_a(core, "sign") else self._unary(primitive, core.children[0])
        if name == "sign" and is_a(core, "div"):
            return self._unary(primitive, core.children[0])
        return Expression(primitive, (core,))

    def _magnitude(self, x: Expression) -> Expression:
        """Return an expression with the same absolute value, a simpler one if there is one."""
        coefficient, core = split(x)
        if core is not None and is_a(core, "abs"):
            return self._product([literal(abs(coefficient)), core.children[0]])
        return x if coefficient >= 0.0 else self._product([literal(-1.0), x])


def _order(term: tuple[float, Expression]) -> tuple[str, float]:
    return str(term[1]), term[0]
