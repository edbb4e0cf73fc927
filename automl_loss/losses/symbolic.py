"""Define `SymbolicLoss`, an expression with one weight per node."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from automl_loss.expression import Expression, Program, canonical_key, compile_program, to_latex, to_source
from automl_loss.expression.latex import has_latex
from automl_loss.losses.base import Loss, Space
from automl_loss.losses.problem import Problem
from automl_loss.losses.source import numbers_source

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 200
"""Characters of an expression that an error shows."""

Activation = Literal["identity", "softplus"]


@dataclass(frozen=True)
class SymbolicLoss(Loss):
    """An expression of y and f, elementwise, with one weight multiplied onto every node's output.

    Args:
        expression: the tree.
        weights: one per node in pre-order; empty stands for all ones.
        scale: constant factor outside of the weights and the activation.
        activation: applied to the output; `softplus` makes the loss non-negative.
        weighted: whether the weights may be tuned; it decides which expressions are equivalent.
        prior: values of the terminal `prior`, one number a class; empty: equal shares.

    Raises:
        ValueError: the number of weights is not the number of nodes, or the activation is unknown.

    Example:
        >>> from automl_loss.expression import parse
        >>> SymbolicLoss(parse("abs(square(sub(f, y)))")).key
        'square(sub(f, y))'
    """

    expression: Expression
    weights: tuple[float, ...] = ()
    scale: float = 1.0
    activation: Activation = "identity"
    weighted: bool = True
    prior: tuple[float, ...] = ()
    space: Space = field(default="prediction", init=False, repr=False)

    def __post_init__(self) -> None:
        size = self.expression.size
        if len(self.weights) not in (0, size):
            raise ValueError(
                f"{str(self.expression)[:_SHOWN]} has {size} nodes and needs as many weights but got "
                f"{len(self.weights)}."
            )
        if self.activation not in get_args(Activation):
            raise ValueError(f"activation must be 'identity' or 'softplus' but got {self.activation!r}.")
        object.__setattr__(self, "weights", tuple(map(float, self.weights)) or (1.0,) * size)
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "prior", tuple(map(float, self.prior)))

    def value(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """See `Loss.value`."""
        import torch

        if weights is None and any(weight != 1.0 for weight in self.weights):
            weights = torch.tensor(self.weights, dtype=prediction.dtype, device=prediction.device)
        inputs = {"f": prediction, "y": target}
        if self._has_prior:
            shares = torch.tensor(self._shares(prediction.shape[-1]), dtype=prediction.dtype)
            inputs["prior"] = shares.to(prediction.device).expand_as(prediction)
        result = self.expression.evaluate(inputs, weights)
        return torch.nn.functional.softplus(result) if self.activation == "softplus" else result

    @cached_property
    def key(self) -> str:
        """The canonical text of the expression, with the activation, and the weights where they are fixed and not 1."""
        if not self.weighted and any(weight != 1.0 for weight in self.weights):
            text = f"{self.expression} at {', '.join(map(repr, self.weights))}"
        else:
            text = canonical_key(self.expression, self.weighted)
        return f"softplus({text})" if self.activation == "softplus" else text

    @property
    def tunable(self) -> bool:
        """Whether the weights may be tuned."""
        return self.weighted

    @property
    def complexity(self) -> int:
        """Number of nodes."""
        return self.expression.size

    def with_weights(self, weights: tuple[float, ...]) -> Self:
        """Return the same loss with other weights."""
        return replace(self, weights=weights)

    def for_problem(self, problem: Problem) -> Self:
        """See `Loss.for_problem`."""
        return replace(self, prior=problem.class_prior) if self._has_prior else self

    @cached_property
    def _has_prior(self) -> bool:
        return self.expression.contains("prior")

    def _shares(self, outputs: int) -> tuple[float, ...]:
        """Return the prior of each output; the one output of a binary problem is class 1."""
        return self.prior[-outputs:] or (1.0 / max(2, outputs),) * outputs

    def with_scale(self, scale: float) -> Self:
        """Return the same loss with another scale."""
        return replace(self, scale=scale)

    def to_json(self) -> dict[str, Any]:
        """Return plain data; floats keep every bit."""
        return {
            "kind": "symbolic",
            "expression": str(self.expression),
            "weights": list(self.weights),
            "scale": self.scale,
            "activation": self.activation,
            "weighted": self.weighted,
            **({"prior": list(self.prior)} if self.prior else {}),
        }

    def to_source(self) -> str:
        """See `Loss.to_source`."""
        lines = ["f, y = prediction, target"]
        if self._has_prior:
            own = f"f.new_tensor([{numbers_source(self.prior, 'prior')}])[-f.shape[-1] :].expand_as(f)"
            lines.append(f"prior = {own if self.prior else 'torch.full_like(f, 1.0 / max(2, f.shape[-1]))'}")
        body = "\n".join([*lines, to_source(self.expression, self.weights)])
        if self.activation == "identity":
            return body
        statements, _, value = body.rpartition("return ")
        return f"{statements}return torch.nn.functional.softplus({value})"

    @property
    def latex(self) -> str | None:
        """Return the weighted expression as LaTeX; `None` when it is too large, see `to_latex`."""
        if not has_latex(self.expression):
            return None
        text = to_latex(self.expression, self.weights)
        return rf"\log\left(1 + e^{{{text}}}\right)" if self.activation == "softplus" else text

    @cached_property
    def program(self) -> Program | None:
        """See `Loss.program`."""
        return compile_program(self.expression, softplus=self.activation == "softplus")
