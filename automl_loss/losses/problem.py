"""Define `Problem`, the facts about a task that losses and strategies may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["multiclass", "binary", "regression"]


@dataclass(frozen=True)
class Problem:
    """Kind, shapes, task loss and metric of a learning task.

    Args:
        kind: `multiclass` (prediction f = softmax of the raw output, target y one-hot), `binary` (one logit,
            f its sigmoid, y in {0, 1}) or `regression` (f the raw output, y standardised by the training
            split).
        input_shape: shape of one input, without the batch.
        output_dim: number of raw outputs: classes, 1 for binary, targets for regression.
        task_loss: the loss in common use: `cross_entropy`, `binary_cross_entropy` or `mse`.
        metric: name of the metric used as fitness (`error`, `mse`, ...), or an import path `module:function`.
        class_prior: share of each class among the training rows; empty for regression, and until data are loaded.
    """

    kind: Kind
    input_shape: tuple[int, ...]
    output_dim: int
    task_loss: str
    metric: str
    class_prior: tuple[float, ...] = ()

    @property
    def is_classification(self) -> bool:
        """Whether targets are class indices."""
        return self.kind != "regression"

    @property
    def classes(self) -> int:
        """Number of classes; 0 for regression."""
        return {"multiclass": self.output_dim, "binary": 2, "regression": 0}[self.kind]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Problem:
        """Read the problem of a `best_loss.json`.

        Raises:
            TypeError: a key is missing or unknown.
        """
        sequences = {key: tuple(data[key]) for key in ("input_shape", "class_prior") if key in data}
        return cls(**{**data, **sequences})

    @classmethod
    def classification(cls, input_shape: tuple[int, ...], classes: int, metric: str = "error") -> Problem:
        """Make a problem of two (one logit) or more classes (softmax)."""
        if classes == 2:
            return cls("binary", input_shape, 1, "binary_cross_entropy", metric)
        return cls("multiclass", input_shape, classes, "cross_entropy", metric)

    @classmethod
    def regression(cls, input_shape: tuple[int, ...], outputs: int = 1, metric: str = "mse") -> Problem:
        """Make a problem of one or more real targets."""
        return cls("regression", input_shape, outputs, "mse", metric)
