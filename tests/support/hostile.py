"""Random inputs for fuzzing, drawn from one `random.Random`, and the number of them."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

from automl_loss.expression import standard_primitives
from automl_loss.expression.vocabulary import STANDARD_FUNCTIONS

ARITY = {primitive.name: primitive.arity for primitive in STANDARD_FUNCTIONS}
TERMINALS = tuple(primitive.name for primitive in standard_primitives() if not primitive.arity)
NUMBERS = (
    "0",
    "-0.0",
    "2",
    "0.5",
    "1e-300",
    "1e300",
    "-1e308",
    "1e39",
    "0.1",
    "3",
    "1E5",
    "+2.",
    ".5",
    "00012",
)
PIECES = (
    *(
        "(",
        ")",
        ",",
        " ",
        "\n",
        "\t",
        "1e400",
        "nan",
        "inf",
        "-inf",
        "--1",
        "1e",
        "e5",
        "0x10",
        "1_000",
        "f()",
    ),
    *("\x00", "\ud800", "\u2028", "\u202e", "٣", "²", "é", '"""', "'", "\\", "{0}", "__import__('os')", "#"),
    *("log", "square", "lgo", "True", "None", "lambda", "y", "f", "prior", "1", "-1", "⁵", "١e٣"),
)
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 1.5, -0.0, float("nan"), float("inf"), float("-inf"), 1e308, 10**400),
    *("", "1", "nan", "symbolic", "neural", "handcrafted", "regression", "binary", "softplus", "f", "((("),
    *(
        '"""\nimport os\n"""',
        "\\N{DIGIT ONE}",
        "\ud800",
        "\x00\x1b[2J",
        "x" * 10_000,
        "log(" * 500,
        "../..",
        "{0}",
    ),
    *(
        [],
        {},
        [[]],
        [{}],
        {"kind": "symbolic"},
        [1.0] * 1000,
        ["1.0"],
        [None],
        {"": {}},
        [float("nan")],
        [10**30],
    ),
)


def count(default: int) -> int:
    """How many inputs to try: the environment variable AUTOLOSS_FUZZ, or the default."""
    return int(os.environ.get("AUTOLOSS_FUZZ", default))


def seed() -> int:
    """Seed of the inputs: the environment variable AUTOLOSS_FUZZ_SEED, or 0."""
    return int(os.environ.get("AUTOLOSS_FUZZ_SEED", 0))


def expression_text(rng: random.Random) -> str:
    """A valid expression; most are small, one in 200 has hundreds of nodes, or hundreds of levels."""
    chance = rng.random()
    if chance < 0.002:
        return _chain(rng, rng.randint(50, 400))
    words = rng.sample(tuple(ARITY), rng.randint(1, 5)) if chance < 0.5 else tuple(ARITY)
    return _tree(rng, words, rng.randint(0, 8 if chance < 0.01 else 4))


def _tree(rng: random.Random, words: Sequence[str], height: int) -> str:
    if height == 0 or rng.random() < 0.15:
        return rng.choice(TERMINALS if rng.random() < 0.7 else NUMBERS)
    word = rng.choice(words)
    return f"{word}({', '.join(_tree(rng, words, height - 1) for _ in range(ARITY[word]))})"


def _chain(rng: random.Random, levels: int) -> str:
    words = rng.sample(tuple(ARITY), rng.randint(1, 3))
    text = rng.choice(TERMINALS)
    for _ in range(levels):
        word = rng.choice(words)
        text = f"{word}({text})" if ARITY[word] == 1 else f"{word}({text}, {rng.choice(TERMINALS)})"
    return text


def mutated_text(rng: random.Random, text: str) -> str:
    """The text with a few pieces cut out, repeated, exchanged or put in."""
    for _ in range(rng.randint(1, 3)):
        at, end = sorted(rng.randint(0, len(text)) for _ in range(2))
        kind = rng.randrange(4)
        if kind == 0:
            text = text[:at] + text[min(end, at + 5) :]
        elif kind == 1:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif kind == 2:
            text = text[:at] + text[at:end] * 2 + text[end:]
        else:
            text = text[:at] + chr(rng.choice((rng.randrange(128), rng.randrange(0x11000)))) + text[at + 1 :]
    return text


def garbage(rng: random.Random) -> str:
    """Pieces of expressions and of other languages, in any order."""
    return "".join(rng.choice((*PIECES, *NUMBERS, *ARITY)) for _ in range(rng.randint(0, 12)))


def mutated_json(rng: random.Random, data: Any) -> Any:
    """Plain data with one node replaced, taken away, or put in twice; the original stays as it is."""
    if rng.random() < 0.25 or not isinstance(data, dict | list) or not data:
        return rng.choice(HOSTILE)
    if isinstance(data, dict):
        name = rng.choice(tuple(data))
        kind = rng.randrange(8)
        if kind == 0:
            return {key: value for key, value in data.items() if key != name}
        if kind == 1:
            return {
                **data,
                rng.choice(("", "kind", "x", "__class__", "\ud800", name + " ")): rng.choice(HOSTILE),
            }
        return {**data, name: mutated_json(rng, data[name])}
    at = rng.randrange(len(data))
    kind = rng.randrange(4)
    if kind == 0:
        return [*data[:at], *data[at + 1 :]]
    if kind == 1:
        return [*data[:at], data[at], *data[at:]]
    return [*data[:at], mutated_json(rng, data[at]), *data[at + 1 :]]


def mutated_bytes(rng: random.Random, content: bytes) -> bytes:
    """The content with bits flipped, bytes set, a part cut out or repeated, or its end cut off."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if not changed:
            break
        at = rng.randrange(len(changed))
        kind = rng.randrange(5)
        if kind == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at] = rng.randrange(256)
        elif kind == 2:
            del changed[at : at + rng.randint(1, 40)]
        elif kind == 3:
            changed[at:at] = changed[at : at + rng.randint(1, 40)]
        else:
            del changed[at:]
    return bytes(changed)
