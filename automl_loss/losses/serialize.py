"""Read losses from JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from automl_loss.errors import ExpressionError
from automl_loss.expression import Primitive, PrimitiveSet, parse, standard_primitives
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.losses.neural import NeuralLoss
from automl_loss.losses.symbolic import SymbolicLoss


def loss_from_json(
    data: Mapping[str, Any], primitives: PrimitiveSet | Iterable[Primitive] | None = None
) -> Loss:
    """Read the loss that `Loss.to_json` wrote, equal bit for bit.

    Args:
        data: the mapping that `Loss.to_json` returned.
        primitives: those beside the standard vocabulary, for a loss found with a plugin's primitive set.

    Raises:
        ExpressionError: it names a primitive that is neither standard nor in `primitives`.
        ValueError: the kind of loss is unknown.
    """
    kind = data.get("kind")
    if kind == "handcrafted":
        prior = tuple(data.get("prior", ()))
        return HandcraftedLoss(data["name"], data["problem"], data["parameters"], data["scale"], prior)
    if kind == "neural":
        return NeuralLoss(data["name"], tuple(data["hidden"]), tuple(data["weights"]), data["scale"])
    if kind != "symbolic":
        raise ValueError(
            f"unknown kind of loss {kind!r}; accepted are 'symbolic', 'handcrafted' and 'neural'."
        )
    try:
        expression = parse(data["expression"], _words(primitives))
    except ExpressionError as error:
        advice = "If the loss was found with a plugin's primitive set, install the plugin and name the set."
        raise ExpressionError(f"{error} {advice}") from None
    return SymbolicLoss(
        expression,
        weights=tuple(data["weights"]),
        scale=data["scale"],
        activation=data["activation"],
        weighted=data["weighted"],
        prior=tuple(data.get("prior", ())),
    )


def _words(primitives: PrimitiveSet | Iterable[Primitive] | None) -> tuple[Primitive, ...]:
    """Return the standard primitives and those of the set, which take precedence where names are equal."""
    if isinstance(primitives, PrimitiveSet):
        primitives = (*primitives.functions, *primitives.terminals)
    return (*standard_primitives(), *(primitives or ()))
