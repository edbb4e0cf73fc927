"""Parse text into an expression; the exact inverse of `str`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

from automl_loss.errors import ExpressionError, UnknownPrimitiveError
from automl_loss.expression.expression import Expression
from automl_loss.expression.primitive import Primitive, PrimitiveSet
from automl_loss.expression.vocabulary import constant, standard_primitives

_SPACE = re.compile(r"\s*")
_SHOWN = 120
"""Characters of a text, around the fault, that an error shows."""

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_]\w*|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<mark>[(),]))"
)


def parse(text: str, primitives: PrimitiveSet | Iterable[Primitive] | None = None) -> Expression:
    """Read an expression.

    Args:
        text: as `str(expression)` gives it, e.g. `mul(-1, mul(y, log(f)))`. Numbers are constants.
        primitives: those that may occur. `None`: the standard vocabulary.

    Raises:
        ExpressionError: the text is not an expression over the primitives; the message gives the column, from 1.
            `UnknownPrimitiveError` where a name is unknown.

    Example:
        >>> str(parse("mul( y,log(f) )"))
        'mul(y, log(f))'
    """
    if isinstance(primitives, PrimitiveSet):
        primitives = (*primitives.functions, *primitives.terminals)
    words = standard_primitives() if primitives is None else primitives
    return _Parser(text, {primitive.name: primitive for primitive in words}).read()


class _Parser:
    def __init__(self, text: str, words: dict[str, Primitive]) -> None:
        self._text = text
        self._words = words
        self._position = 0

    def read(self) -> Expression:
        """Parse the whole text, without recursion: depth is bounded by memory alone."""
        open_: list[tuple[Primitive, int, list[Expression]]] = []
        while True:
            primitive, column = self._primitive()
            if primitive.arity:
                self._expect("(", f"after {primitive.name}")
                open_.append((primitive, column, []))
                continue
            done = Expression(primitive)
            while open_:
                owner, start, arguments = open_[-1]
                arguments.append(done)
                mark, at = self._mark(f"after argument {len(arguments)} of {owner.name}")
                if mark == "," and len(arguments) < owner.arity:
                    break
                if mark == "," or len(arguments) < owner.arity:
                    takes = f"{owner.name} takes {owner.arity} argument{'s' if owner.arity > 1 else ''}"
                    if mark == ",":
                        self._fail(at, f"{takes} but got more")
                    self._fail(start, f"{takes} but got {len(arguments)}")
                open_.pop()
                done = Expression(owner, tuple(arguments))
            else:
                if self._text[self._position :].strip():
                    self._fail(self._skip(), "the expression ends here, but more text follows")
                return done

    def _primitive(self) -> tuple[Primitive, int]:
        start = self._skip()
        match = _TOKEN.match(self._text, self._position)
        if match is None or match["name"] is None:
            self._fail(start, f"expected a primitive {self._seen(start)}")
        name = match["name"]
        self._position = match.end()
        if name in self._words:
            return self._words[name], start
        if name[0].isalpha() or name[0] == "_":
            close = difflib.get_close_matches(name[:_SHOWN], self._words, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(self._words)}."
            error = self._error(start, f"no primitive {name[:_SHOWN]!r}. {hint}")
            raise UnknownPrimitiveError(str(error))
        try:
            return constant(float(name)), start
        except ExpressionError as error:
            self._fail(start, str(error))

    def _mark(self, where: str) -> tuple[str, int]:
        at = self._skip()
        match = _TOKEN.match(self._text, self._position)
        if match is None or match["mark"] not in (",", ")"):
            self._fail(at, f"expected ',' or ')' {where} {self._seen(at)}")
        self._position = match.end()
        return match["mark"], at

    def _expect(self, mark: str, where: str) -> None:
        at = self._skip()
        if self._text[at : at + 1] != mark:
            self._fail(at, f"expected {mark!r} {where} {self._seen(at)}")
        self._position = at + 1

    def _seen(self, at: int) -> str:
        return f"but got {self._text[at]!r}" if at < len(self._text) else "but the text ends"

    def _skip(self) -> int:
        match = _SPACE.match(self._text, self._position)
        return self._position if match is None else match.end()

    def _fail(self, at: int, message: str) -> NoReturn:
        raise self._error(at, message)

    def _error(self, at: int, message: str) -> ExpressionError:
        text = self._text
        if len(text) > _SHOWN:
            start, end = max(0, at - _SHOWN // 2), at + _SHOWN // 2
            text = f"{'...' if start else ''}{text[start:end]}{'...' if end < len(text) else ''}"
        return ExpressionError(f"column {at + 1} of {text!r}: {message}")
