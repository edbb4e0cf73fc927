"""Define `HandcraftedLoss`, a loss from the literature, and the catalogue of such losses for a problem."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from automl_loss.losses.base import Loss, Space
from automl_loss.losses.families import families_of
from automl_loss.losses.problem import Kind, Problem
from automl_loss.losses.source import numbers_source

if TYPE_CHECKING:
    from torch import Tensor


_BALANCED = 1.2
"""The most frequent class over the rarest, below which class shares make no difference."""


@dataclass(frozen=True)
class HandcraftedLoss(Loss):
    """A loss from the literature, on raw outputs.

    Args:
        name: the family's name, e.g. `gce`.
        kind: kind of problem: `multiclass`, `binary` or `regression`.
        parameters: the family's parameters, as a mapping or as pairs; those left out have their defaults.
        scale: constant factor of the loss.
        prior: share of each class, for the families that take it; empty: equal shares.

    Raises:
        ValueError: there is no such family for the kind of problem, it has no such parameter, or the
            parameter is out of range.

    Example:
        >>> HandcraftedLoss("gce", "multiclass", {"q": 0.5}).key
        'gce(q=0.5)'
    """

    name: str
    kind: Kind
    parameters: Mapping[str, float] | tuple[tuple[str, float], ...] = ()
    scale: float = 1.0
    prior: tuple[float, ...] = ()
    weights: tuple[float, ...] = field(default=(), init=False, repr=False)
    space: Space = field(default="raw", init=False, repr=False)

    def __post_init__(self) -> None:
        families = families_of(self.kind)
        if self.name not in families:
            raise ValueError(f"no {self.kind} loss {self.name!r}; there are {', '.join(families)}.")
        family, given = families[self.name], dict(self.parameters)
        for name in given:
            if name not in family.defaults:
                accepted = ", ".join(family.defaults) or "none"
                raise ValueError(f"{self.name} has no parameter {name!r}; it has {accepted}.")
        parameters = {name: float(given.get(name, default)) for name, default in family.defaults.items()}
        for name, value in parameters.items():
            low, high = family.ranges.get(name, (-math.inf, math.inf))
            if not low < value < high:
                raise ValueError(f"{self.name} takes {name} in ({low:g}, {high:g}) but got {value:g}.")
        object.__setattr__(self, "parameters", tuple(parameters.items()))
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "prior", tuple(map(float, self.prior)))

    def value(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Compute the unscaled, unreduced loss.

        Args:
            prediction: `(batch, outputs)` raw outputs.
            target: `(batch,)` class indices; `(batch,)` or `(batch, 1)` zeros and ones for `binary`;
                `(batch, outputs)` floats for `regression`.
            weights: not used.

        Returns:
            `(batch,)` tensor for classification, `(batch, outputs)` for regression.
        """
        import torch

        family, parameters = families_of(self.kind)[self.name], dict(self.parameters)
        if self.kind == "regression":
            return family.function(prediction - target, **parameters)
        if self.kind == "binary":
            prediction = torch.cat([torch.zeros_like(prediction), prediction], dim=-1)
            target = target.reshape(len(prediction)).long()
        if family.needs_prior:
            classes = prediction.shape[-1]
            shares = torch.tensor(self.prior or (1.0 / classes,) * classes, dtype=prediction.dtype)
            return family.function(prediction, target, prior=shares.to(prediction.device), **parameters)
        return family.function(prediction, target, **parameters)

    @property
    def key(self) -> str:
        """The name and parameters, e.g. `symmetric_ce(alpha=0.1, beta=1)`."""
        settings = ", ".join(f"{name}={repr(value).removesuffix('.0')}" for name, value in self._pairs)
        return f"{self.name}({settings})" if settings else self.name

    @property
    def complexity(self) -> int:
        """Number of parameters, plus one."""
        return 1 + len(self.parameters)

    def with_weights(self, weights: tuple[float, ...]) -> Self:
        """Return the same loss, as it has no weights to tune.

        Raises:
            ValueError: weights were given.
        """
        if weights:
            raise ValueError(f"{self.key} has no weights but got {len(weights)}.")
        return self

    def for_problem(self, problem: Problem) -> Self:
        """See `Loss.for_problem`."""
        needed = families_of(self.kind)[self.name].needs_prior
        return replace(self, prior=problem.class_prior) if needed else self

    def with_scale(self, scale: float) -> Self:
        """Return the same loss with another scale."""
        return replace(self, scale=scale)

    def to_json(self) -> dict[str, Any]:
        """Return plain data, see `Loss.to_json`."""
        return {
            "kind": "handcrafted",
            "name": self.name,
            "problem": self.kind,
            "parameters": dict(self.parameters),
            "scale": self.scale,
            **({"prior": list(self.prior)} if self.prior else {}),
        }

    def to_source(self) -> str:
        """See `Loss.to_source`; `prediction` is the raw output and `target` is as in the data set."""
        family = families_of(self.kind)[self.name]
        lines = [f"{name} = {value!r}" for name, value in self._pairs]
        if self.kind == "regression":
            lines.append("residual = prediction - target")
        else:
            if self.kind == "binary":
                lines.append("prediction = torch.cat([torch.zeros_like(prediction), prediction], dim=-1)")
                lines.append("target = target.reshape(len(prediction)).long()")
            if family.needs_prior:
                uniform = "torch.full_like(prediction[0], 1.0 / prediction.shape[-1])"
                lines.append(
                    f"prior = prediction.new_tensor([{numbers_source(self.prior, 'prior')}])"
                    if self.prior
                    else f"prior = {uniform}"
                )
            if "log_p" in family.source:
                lines.append(
                    "log_p = -torch.nn.functional.cross_entropy(prediction, target, reduction='none')"
                )
        return "\n".join([*lines, f"return {family.source}"])

    @property
    def latex(self) -> str:
        """Return the formula, its parameters filled in; p is the target's probability, r = f - y."""
        text = families_of(self.kind)[self.name].latex
        for name, value in self._pairs:
            text = text.replace(f"<{name}>", f"{value:g}")
        return text

    @property
    def _pairs(self) -> tuple[tuple[str, float], ...]:
        return tuple(dict(self.parameters).items())


def task_loss(problem: Problem) -> HandcraftedLoss:
    """Return the loss in common use for the problem."""
    return HandcraftedLoss(problem.task_loss, problem.kind)


def catalogue(problem: Problem) -> tuple[HandcraftedLoss, ...]:
    """Return the handcrafted losses that a found loss is compared with; the task loss first.

    Losses for rare classes are left out where all classes are known to be about equally frequent.
    """
    prior = problem.class_prior
    balanced = bool(prior) and max(prior) < _BALANCED * min(prior)
    settings: dict[str, tuple[dict[str, float], ...]] = {
        "label_smoothing": ({"epsilon": 0.1}, {"epsilon": 0.2}),
        "gce": ({"q": 0.3}, {"q": 0.5}, {"q": 0.7}, {"q": 0.9}),
    }
    rest = [
        HandcraftedLoss(name, problem.kind, parameters).for_problem(problem)
        for name, family in families_of(problem.kind).items()
        if name != problem.task_loss and not family.found and not (family.needs_prior and balanced)
        for parameters in settings.get(name, ({},))
    ]
    return (task_loss(problem), *rest)


def published_losses(problem: Problem) -> tuple[HandcraftedLoss, ...]:
    """Return the losses that were found by a search and published, each with its published parameters.

    They are not part of the `catalogue`; strategy `handcrafted` takes them by name.
    """
    families = families_of(problem.kind).items()
    return tuple(HandcraftedLoss(name, problem.kind) for name, family in families if family.found)
