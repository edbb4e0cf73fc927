"""Read a `best_loss.json`: check its layout, and make the loss and the problem."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from automl_loss.expression import Primitive, PrimitiveSet
from automl_loss.losses.base import Loss
from automl_loss.losses.fields import Fields, shown
from automl_loss.losses.neural import NeuralLoss
from automl_loss.losses.problem import Problem
from automl_loss.losses.serialize import loss_from_json

SCHEMA = 1
"""Number of the layout of `best_loss.json`."""

LARGEST = 64 * 2**20
"""Bytes of the largest file that is read; a neural loss of a million weights takes 20 MiB."""


@dataclass(frozen=True)
class LossFile:
    """The content of a `best_loss.json`, checked but for the loss, which may need a plugin's primitives.

    Args:
        problem: the task's.
        primitives: name and options of the primitive set; `None` where the file names none.
        data: the loss as plain data.
    """

    problem: Problem
    primitives: Mapping[str, Any] | None
    data: Any

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read the content of a file.

        Raises:
            ValueError: it is not JSON in UTF-8, or not the layout of a loss file; the message names the field.
        """
        if len(content) > LARGEST:
            raise ValueError(f"it is larger than {LARGEST:,} bytes.")
        root = Fields(_json(content))
        if root.has("schema"):
            number = root.whole("schema", 1, 2**31)
            if number != SCHEMA:
                raise ValueError(
                    f"schema: is {number}, and this version reads {SCHEMA}: a later version of automl-loss wrote it. "
                    f"Update automl-loss."
                )
        problem = Problem.from_json(root.anything("problem"))
        primitives = None
        if root.has("primitives"):
            section = root.section("primitives")
            section.printable("name", 1_000)
            primitives = section.plain()
        if root.has("origin"):
            root.text("origin")
        data = root.anything("loss")
        root.end()
        return cls(problem, primitives, data)

    def loss(self, primitives: PrimitiveSet | Iterable[Primitive] | None = None) -> Loss:
        """Make the loss.

        Args:
            primitives: those beside the standard vocabulary.

        Raises:
            ExpressionError: its expression is broken; `UnknownPrimitiveError` where it needs other primitives.
            ValueError: a field is wrong, or the loss is not for the problem; the message names the field.
        """
        loss = loss_from_json(self.data, primitives, finite=True)
        if isinstance(loss, NeuralLoss):
            Fields({"name": loss.name}, "loss").printable("name", 1_000)
        kind = getattr(loss, "kind", self.problem.kind)
        if kind != self.problem.kind:
            raise ValueError(
                f"loss.problem: is {kind!r}, but problem.kind is {self.problem.kind!r}; they must be equal."
            )
        prior = getattr(loss, "prior", ())
        if len(prior) not in (0, self.problem.classes):
            raise ValueError(
                f"loss.prior: must have as many shares as the problem has classes, {self.problem.classes}, "
                f"but has {len(prior)}."
            )
        return loss


def _json(content: bytes) -> object:
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_mapping)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is not text in UTF-8: byte {error.start} is {content[error.start]:#04x}."
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: it is not JSON: {error.msg}.") from None
    except RecursionError:
        raise ValueError("it is not a loss: its lists and mappings are nested too deeply.") from None


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {shown(twice)} occurs twice in one mapping.")
    return found
