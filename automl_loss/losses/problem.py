"""Define `Problem`, the facts about a task that losses and strategies may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from automl_loss.losses.fields import Fields

Kind = Literal["multiclass", "binary", "regression"]

_DIMENSIONS = 16
_LARGEST = 2**31
_OUTPUTS = {"multiclass": (2, 1_000_000), "binary": (1, 1), "regression": (1, 1_000_000)}


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
            ValueError: a field is missing, unknown or wrong; the message names it.
        """
        from automl_loss.losses.families import families_of

        fields = Fields(data, "problem")
        kind: Any = fields.choice("kind", get_args(Kind))
        problem = cls(
            kind=kind,
            input_shape=fields.wholes("input_shape", 1, _LARGEST, _DIMENSIONS),
            output_dim=fields.whole("output_dim", *_OUTPUTS[kind]),
            task_loss=fields.choice("task_loss", tuple(families_of(kind))),
            metric=fields.printable("metric", 1_000),
            class_prior=fields.shares("class_prior"),
        )
        fields.end()
        if len(problem.class_prior) not in (0, problem.classes):
            raise ValueError(
                f"problem.class_prior: must have a share for each of the {problem.classes} classes, or none, but has "
                f"{len(problem.class_prior)}."
            )
        return problem

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
