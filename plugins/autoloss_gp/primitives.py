"""Primitive set `evomal`: the words of the published method."""

from __future__ import annotations

from typing import Any

from automl_loss import PluginConfig, Primitive, PrimitiveSet, standard_primitives

FUNCTIONS = ("add", "sub", "mul", "div", "min", "max", "sign", "square", "abs", "log", "sqrt", "tanh")
TERMINALS = ("y", "f", "1", "-1")


class EvoMALPrimitives(PrimitiveSet):
    """Arithmetic, protected log and sqrt, tanh, min, max; terminals y, f, 1 and -1 (EvoMAL, TPAMI 2023)."""

    plugin_api = 1

    class Config(PluginConfig):
        """The set has no options."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self._functions = standard_primitives(*FUNCTIONS)
        self._terminals = standard_primitives(*TERMINALS)

    @property
    def functions(self) -> tuple[Primitive, ...]:
        """The twelve functions, in the order of the paper's table."""
        return self._functions

    @property
    def terminals(self) -> tuple[Primitive, ...]:
        """Target, prediction and the two constants."""
        return self._terminals
