"""Settings of training and tuning: sections of a recipe that the engine needs."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

StopRule = Literal["best_validation", "last"]
Resplit = Literal["validation", "both"] | int
"""Rows put together anew. `validation`: train on the validation rows alone; `both`: on training and validation rows; a
number: training and validation rows drawn anew from both."""

TOP_SHARE = 0.2
"""Share of a generation that is trained on `training.top_seeds` more seeds."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TrainingSettings(_Section):
    """How base networks are trained under a loss."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    steps: PositiveInt = Field(500, description="steps of partial training")
    lr: Literal["auto"] | PositiveFloat = Field(
        "auto", description="learning rate; auto: the task loss's best on validation"
    )
    momentum: NonNegativeFloat = Field(0.9, lt=1.0)
    nesterov: bool = True
    weight_decay: NonNegativeFloat = 5e-4
    betas: tuple[float, float] = Field((0.9, 0.999), description="AdamW only")
    batch_size: PositiveInt = 128
    milestones: tuple[PositiveFloat, ...] = Field(
        (), description="fractions of the steps where lr is multiplied by gamma"
    )
    gamma: PositiveFloat = 0.1
    scale: Literal["matched", "free"] = Field(
        "matched", description="matched: every loss starts with the task loss's gradient norm"
    )
    seeds: PositiveInt = Field(1, description="runs averaged into a fitness")
    top_seeds: NonNegativeInt = Field(2, description="further runs of the best fifth of a generation")
    rungs: tuple[PositiveInt, ...] = Field(
        (),
        description="steps, from half of `steps` on, where the worse half of a generation is stopped; []: no racing",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="bfloat16: networks compute by torch.autocast, parameters and losses stay float32",
    )
    width: PositiveInt | None = Field(
        None, description="networks batched together; null: by the network's size"
    )

    def top(self, count: int) -> int:
        """How many of a generation are trained on `top_seeds` more seeds."""
        return math.ceil(TOP_SHARE * count)


class TuningSettings(_Section):
    """How the weights of a loss are tuned by meta-gradients."""

    steps: NonNegativeInt = Field(250, description="0 switches tuning off")
    lr: PositiveFloat = 0.001
    inner_steps: PositiveInt = 1
    gradient: Literal["amortised", "exact"] = "amortised"
    states: Literal["trajectory", "initial"] = Field(
        "initial", description="fresh networks, or states along a run under the task loss; see docs/tuning.md"
    )
    refused: Literal["start", "exact"] = Field(
        "start",
        description="weights of a loss whose amortised tuning the guard refuses: its own, or tuned exactly",
    )
