"""Define `Loss`, the abstract base class of all losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from torch import Tensor

    from automl_loss.expression import Program
    from automl_loss.losses.problem import Problem

Space = Literal["prediction", "raw"]


class Loss(ABC):
    """A loss function: frozen, picklable, importable without torch.

    Elementwise losses (`space == "prediction"`) compare a prediction f with a target y of the same shape:
    softmax probability and one-hot, sigmoid and {0, 1}, or standardised regression values. Handcrafted ones
    (`space == "raw"`) take raw outputs and targets as the data set holds them, for numerical reasons.
    The training loss is `scale * mean over the batch of the sum over outputs of value(...)`.

    Tuning changes the `weights` (phi); `scale` is one constant outside of them.
    """

    weights: tuple[float, ...]
    scale: float
    space: Space

    @abstractmethod
    def value(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Compute the unscaled, unreduced loss by torch operations, differentiable in `prediction` and `weights`.

        Args:
            prediction: `(batch, outputs)` float tensor: f, or the raw output when `space == "raw"`.
            target: y of the same shape; when `space == "raw"`: `(batch,)` class indices for classification,
                else `(batch, outputs)` floats.
            weights: 1-d tensor in place of `self.weights`.

        Returns:
            `(batch, outputs)` tensor, or `(batch,)` for losses that are not elementwise.
        """

    @property
    @abstractmethod
    def key(self) -> str:
        """The canonical text: equal keys mean the same loss up to weights and scale."""

    @property
    def tunable(self) -> bool:
        """Whether tuning may change the weights."""
        return bool(self.weights)

    @property
    def blank(self) -> bool:
        """Whether the start weights are random, so that the loss is useless before it is tuned.

        Such a loss is tuned by the exact gradient, whatever the recipe says, and skips the checks of whether it can
        train anything before it is tuned.
        """
        return False

    @property
    @abstractmethod
    def complexity(self) -> int:
        """Number of nodes or parameters; smaller is simpler."""

    @abstractmethod
    def with_weights(self, weights: tuple[float, ...]) -> Self:
        """Return the same loss with other weights."""

    def for_problem(self, problem: Problem) -> Self:
        """Return the same loss for a problem; the class shares that it holds are replaced by the problem's."""
        return self

    @abstractmethod
    def with_scale(self, scale: float) -> Self:
        """Return the same loss with another scale."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return plain data from which `loss_from_json` makes an equal loss, bit for bit."""

    @abstractmethod
    def to_source(self) -> str:
        """Return the body of a Python function of `(prediction, target)` that uses torch alone.

        The weights are folded in, the scale is not.
        """

    @property
    def latex(self) -> str | None:
        """Return the loss as LaTeX, or `None` when it has no formula."""
        return None

    @property
    def program(self) -> Program | None:
        """Return instructions for the compiled kernels, or `None` when torch must evaluate the loss."""
        return None
