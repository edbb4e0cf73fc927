"""Primitive sets `evomal`, the primitives of the published method, and `extended`, which adds to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from automl_loss import Opcode, PluginConfig, Primitive, PrimitiveSet, Problem, standard_primitives

FUNCTIONS = ("add", "sub", "mul", "div", "min", "max", "sign", "square", "abs", "log", "sqrt", "tanh")
TERMINALS = ("y", "f", "1", "-1")


EXTRA_FUNCTIONS = ("exp", "sigmoid", "power")


def _share(problem: Problem, rng: np.random.Generator) -> float:
    return 1.0 / problem.classes


def _number(problem: Problem, rng: np.random.Generator) -> float:
    return float(f"{rng.normal():.3g}")


INVERSE_CLASSES = Primitive("1/classes", 0, opcode=Opcode.CONSTANT, sample=_share, of_classes=True)
"""Replaced by one over the number of classes."""
EPHEMERAL = Primitive("constant", 0, opcode=Opcode.CONSTANT, sample=_number)
"""Replaced by a standard normal number of three digits, drawn anew each time."""


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


class ExtendedPrimitives(PrimitiveSet):
    """The primitives of `evomal`, exp, sigmoid and power; the class prior, 1/classes and random constants.

    Class weighting, logit adjustment and calibration cannot be expressed by target and prediction alone. A loss with
    `prior` has no kernel and is differentiated by autograd, which is slower; `prior: false` leaves it out. In
    regression the primitives of classification are not used.
    """

    plugin_api = 1

    class Config(PluginConfig):
        """Options of the set."""

        prior: bool = Field(True, description="whether losses may say the class prior, which has no kernel")
        constants: bool = Field(True, description="whether random trees hold random constants")

    def __init__(self, config: Any = None) -> None:
        super().__init__(config or self.Config())
        self._functions = standard_primitives(*FUNCTIONS, *EXTRA_FUNCTIONS)
        chosen = [INVERSE_CLASSES]
        chosen += standard_primitives("prior") if self.config.prior else ()
        chosen += [EPHEMERAL] if self.config.constants else []
        self._terminals = (*standard_primitives(*TERMINALS), *chosen)

    @property
    def functions(self) -> tuple[Primitive, ...]:
        """The functions of `evomal`, and three more."""
        return self._functions

    @property
    def terminals(self) -> tuple[Primitive, ...]:
        """The terminals of `evomal`, and those that stand for numbers."""
        return self._terminals
