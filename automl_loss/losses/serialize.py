"""Read losses from JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from automl_loss.errors import ExpressionError, UnknownPrimitiveError
from automl_loss.expression import Primitive, PrimitiveSet, parse, standard_primitives
from automl_loss.losses.base import Loss
from automl_loss.losses.families import families_of
from automl_loss.losses.fields import Fields, shown
from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.losses.neural import NeuralLoss
from automl_loss.losses.problem import Kind
from automl_loss.losses.symbolic import Activation, SymbolicLoss

_NAME = 1_000
_EXPRESSION = 10_000_000
"""Characters of the longest name and of the longest expression."""

_LAYERS = 64
_UNITS = 1_000_000


def loss_from_json(
    data: Mapping[str, Any],
    primitives: PrimitiveSet | Iterable[Primitive] | None = None,
    *,
    finite: bool = False,
) -> Loss:
    """Read the loss that `Loss.to_json` wrote, equal bit for bit.

    Args:
        data: the mapping that `Loss.to_json` returned.
        primitives: those beside the standard vocabulary, for a loss found with a plugin's primitive set.
        finite: whether numbers must be finite; a recorded candidate that diverged has others.

    Raises:
        ExpressionError: its expression is broken; `UnknownPrimitiveError` where it names a primitive that is neither
            standard nor in `primitives`.
        ValueError: the kind of loss is unknown, or a field is missing, unknown, of a wrong type or out of bounds; the
            message names it.
    """
    fields = Fields(data, "loss")
    kind = fields.anything("kind")
    if not isinstance(kind, str) or kind not in ("symbolic", "handcrafted", "neural"):
        raise ValueError(
            f"loss.kind: unknown kind of loss {shown(kind)}; accepted are 'symbolic', 'handcrafted' and 'neural'."
        )
    loss: Loss
    if kind == "symbolic":
        loss = _symbolic(fields, primitives, finite)
    else:
        loss = _handcrafted(fields, finite) if kind == "handcrafted" else _neural(fields, finite)
    fields.end()
    return loss


def _handcrafted(fields: Fields, finite: bool) -> Loss:
    kind: Any = fields.choice("problem", get_args(Kind))
    name = fields.choice("name", tuple(families_of(kind)))
    section = fields.section("parameters")
    known = families_of(kind)[name].defaults
    parameters = {parameter: section.number(parameter) for parameter in known if section.has(parameter)}
    section.end()
    scale, prior = fields.number("scale", finite=finite), fields.shares("prior")
    try:
        return HandcraftedLoss(name, kind, parameters, scale, prior)
    except ValueError as error:
        raise ValueError(f"loss.parameters: {error}") from None


def _neural(fields: Fields, finite: bool) -> Loss:
    name = fields.text("name", _NAME)
    hidden = fields.wholes("hidden", 1, _UNITS, _LAYERS)
    weights, scale = fields.numbers("weights", finite=finite), fields.number("scale", finite=finite)
    try:
        return NeuralLoss(name, hidden, weights, scale)
    except ValueError as error:
        raise ValueError(f"loss.weights: {error}") from None


def _symbolic(
    fields: Fields, primitives: PrimitiveSet | Iterable[Primitive] | None, finite: bool
) -> SymbolicLoss:
    text = fields.text("expression", _EXPRESSION)
    advice = "If the loss was found with a plugin's primitive set, install the plugin and name the set."
    try:
        expression = parse(text, _words(primitives))
    except UnknownPrimitiveError as error:
        raise UnknownPrimitiveError(f"loss.expression: {error} {advice}") from None
    except ExpressionError as error:
        raise ExpressionError(f"loss.expression: {error}") from None
    activation: Any = fields.choice("activation", get_args(Activation))
    weights = fields.numbers("weights", finite=finite)
    if len(weights) not in (0, expression.size):
        raise ValueError(
            f"loss.weights: must be {expression.size:,} numbers, one for each node of the expression, but has "
            f"{len(weights):,}."
        )
    return SymbolicLoss(
        expression,
        weights=weights,
        scale=fields.number("scale", finite=finite),
        activation=activation,
        weighted=fields.flag("weighted"),
        prior=fields.shares("prior"),
    )


def _words(primitives: PrimitiveSet | Iterable[Primitive] | None) -> tuple[Primitive, ...]:
    """Return the standard primitives and those of the set, which take precedence where names are equal."""
    if isinstance(primitives, PrimitiveSet):
        primitives = (*primitives.functions, *primitives.terminals)
    return (*standard_primitives(), *(primitives or ()))
