"""Primitive set `smooth`: words without kinks, for losses that saturate or grow softly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl_loss import Opcode, PluginConfig, Primitive, PrimitiveSet, standard_primitives

if TYPE_CHECKING:
    from torch import Tensor

EVOMAL = ("add", "sub", "mul", "div", "min", "max", "sign", "square", "abs", "log", "sqrt", "tanh")


def _softplus(x: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.softplus(x)


def _erf(x: Tensor) -> Tensor:
    return x.erf()


def _sympy_softplus(x: Any) -> Any:
    import sympy

    return sympy.log(1 + sympy.exp(x))


def _sympy_erf(x: Any) -> Any:
    import sympy

    return sympy.erf(x)


SOFTPLUS = Primitive(
    "softplus", 1, _softplus, "torch.nn.functional.softplus({0})", _sympy_softplus, Opcode.SOFTPLUS
)
"""log(1 + e^x), which torch takes to be x above 20."""
ERF = Primitive("erf", 1, _erf, "torch.erf({0})", _sympy_erf)
"""2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x. It has no kernel: losses with it are evaluated by torch."""


class Smooth(PrimitiveSet):
    """The words of `evomal`, and exp, sigmoid, softplus and erf.

    exp and sigmoid are the standard vocabulary's. exp is capped at e^50, so that it and its derivatives stay finite in
    float32.
    """

    plugin_api = 1

    class Config(PluginConfig):
        """The set has no options."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self._functions = (*standard_primitives(*EVOMAL, "exp", "sigmoid"), SOFTPLUS, ERF)
        self._terminals = standard_primitives("y", "f", "1", "-1")

    @property
    def functions(self) -> tuple[Primitive, ...]:
        """Sixteen functions."""
        return self._functions

    @property
    def terminals(self) -> tuple[Primitive, ...]:
        """Target, prediction and two constants."""
        return self._terminals
