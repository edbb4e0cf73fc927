"""Losses from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl_loss.errors import ExpressionError
from automl_loss.expression import Primitive, PrimitiveSet, parse, standard_primitives
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.losses.symbolic import SymbolicLoss


def loss_from_json(data: Mapping[str, Any], primitives: PrimitiveSet | None = None) -> Loss:
    """The loss that `Loss.to_json` wrote, equal bit for bit.

    Args:
        data: plain data.
        primitives: words beside the standard vocabulary.

    Raises:
        ExpressionError: it names a primitive that is neither standard nor in `primitives`.
        ValueError: the kind of loss is unknown.
    """
    if data["kind"] == "handcrafted":
        return HandcraftedLoss(data["name"], data["problem"], tuple(data["parameters"].items()), data["scale"])
    if data["kind"] != "symbolic":
        raise ValueError(f"unknown kind of loss {data['kind']!r}; expected 'symbolic' or 'handcrafted'.")
    try:
        expression = parse(data["expression"], _words(primitives))
    except ExpressionError as error:
        raise ExpressionError(f"{error} If the loss was found with a primitive set of a plugin, install the plugin.") from None
    return SymbolicLoss(
        expression, tuple(data["weights"]), data["scale"], data.get("activation", "identity"), data.get("weighted", True)
    )


def _words(primitives: PrimitiveSet | None) -> tuple[Primitive, ...]:
    own = () if primitives is None else (*primitives.functions, *primitives.terminals)
    return (*standard_primitives(), *own)
