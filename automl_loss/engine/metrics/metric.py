"""Define `Metric`, which computes one number per network; lower is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from automl_loss.engine.metrics import classification, regression
from automl_loss.engine.metrics.names import METRICS, check_metric, is_import_path, quantile_of
from automl_loss.errors import EvaluationError, RecipeError
from automl_loss.losses.problem import Kind, Problem
from automl_loss.plugins.import_object import import_object
from automl_loss.plugins.process_state import kept

_ROW_MEANS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "error": classification.error,
    "nll": classification.nll,
    "mse": regression.mse,
    "mae": regression.mae,
}
_OF_ALL_ROWS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "balanced_error": classification.balanced_error,
    "macro_f1": classification.macro_f1,
    "auroc": classification.auroc,
    "ece": classification.ece,
    "r2": regression.r2,
}


@dataclass(frozen=True)
class Metric:
    """Compares the raw outputs of P networks with the targets.

    A metric whose own sense is "higher is better" (F1, AUROC, R2) is computed as `1 - x`: lower is better, and a
    perfect network has 0. `shown` converts it back.

    Args:
        name: the name in the recipe.
        lower_is_better: the metric's own sense, in which it is shown.
        kinds: the kinds of task it fits.
        function: maps `(P, rows, outputs)` raw outputs and the targets to `(P, rows)` contributions when the
            metric is a mean over rows, else to `(P,)`; in the metric's own sense.
        is_row_mean: whether the metric is a mean over rows.
    """

    name: str
    lower_is_better: bool
    kinds: tuple[Kind, ...]
    function: Callable[[Tensor, Tensor], Tensor]
    is_row_mean: bool

    def values(self, raw: Tensor, target: Tensor) -> Tensor:
        """Compute the metric of each network.

        Args:
            raw: `(P, rows, outputs)` raw outputs: logits, one for a binary task, or regression values.
            target: `(rows,)` int64 class indices, or `(rows, outputs)` floats.

        Returns:
            `(P,)` float64 values, lower is better; infinity for a network with a NaN or infinite output.

        Raises:
            EvaluationError: the shapes do not go together, or the metric is not defined on these targets.
        """
        _check_shapes(raw, target)
        finite = torch.isfinite(raw).flatten(1).all(1)
        # A network whose outputs are not finite must not cause an error in the metric of the others.
        results = self.function(torch.where(finite[:, None, None], raw, 0.0), target).double()
        if self.is_row_mean:
            results = results.mean(1)
        if not self.lower_is_better:
            results = 1 - results
        return torch.where(finite & torch.isfinite(results), results, torch.inf)

    def per_row(self, raw: Tensor, target: Tensor) -> Tensor | None:
        """Compute the contribution of each row, for intervals that resample rows.

        Args:
            raw: as in `values`.
            target: as in `values`.

        Returns:
            `(P, rows)` float64 tensor whose mean over rows is `values`, or `None` when the metric is not such
            a mean.
        """
        if not self.is_row_mean:
            return None
        _check_shapes(raw, target)
        finite = torch.isfinite(raw).flatten(1).all(1)[:, None]
        rows = self.function(torch.where(finite[..., None], raw, 0.0), target).double()
        return torch.where(finite & torch.isfinite(rows), rows, torch.inf)

    def unfit_rows(self, raw: Tensor, target: Tensor) -> Tensor:
        """Find rows on which the metric cannot be finite.

        Args:
            raw: as in `values`.
            target: as in `values`.

        Returns:
            `(P, rows)` bool tensor: a raw output or a target is not finite, or the row's contribution is not. Of a
            metric that is no mean over rows and is not finite on rows that all are: every row.
        """
        unfit = ~torch.isfinite(raw).all(-1)
        if target.is_floating_point():
            unfit = unfit | ~torch.isfinite(target).all(-1)
        if self.is_row_mean:
            results = self.function(torch.where(unfit[..., None], 0.0, raw), target)
            return unfit | ~torch.isfinite(results.double())
        undefined = ~torch.isfinite(self.values(raw, target)) & ~unfit.any(1)
        return unfit | undefined[:, None]

    def shown(self, value: float) -> float:
        """Convert a value of `values` to the metric's own sense, for showing it."""
        return value if self.lower_is_better else 1 - value


def get_metric(name: str, problem: Problem, folder: Path | None = None) -> Metric:
    """Return the metric of a name.

    Args:
        name: `error`, `balanced_error`, `macro_f1`, `auroc`, `nll`, `ece`; `mse`, `mae`, `r2`, `pinball` (the
            median) or `pinball(0.9)`; or the import path `module:function` of a function of one network's
            `(rows, outputs)` raw outputs and the targets that returns a number. Give the function an
            attribute `lower_is_better = False` when higher is better.
        problem: the task's problem.
        folder: the recipe's folder; import paths are looked for there, too.

    Returns:
        The metric.

    Raises:
        RecipeError: there is no such metric, or it does not fit the task.

    Example:
        >>> problem = Problem.classification((4,), classes=3)
        >>> raw = torch.tensor([[[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]])
        >>> get_metric("error", problem).values(raw, torch.tensor([0, 1]))
        tensor([0.5000], dtype=torch.float64)
    """
    problems = check_metric(name, problem.kind)
    if problems:
        raise RecipeError(problems)
    if is_import_path(name):
        function = _UserFunction(name, folder)
        sense = bool(getattr(function.load(), "lower_is_better", True))
        return Metric(name, sense, (problem.kind,), function, is_row_mean=False)
    quantile = quantile_of(name)
    if quantile is not None:
        function_of_rows = partial(regression.pinball, quantile=quantile)
        return Metric(name, True, METRICS["pinball"].kinds, function_of_rows, is_row_mean=True)
    facts = METRICS[name]
    is_row_mean = name in _ROW_MEANS
    table = _ROW_MEANS if is_row_mean else _OF_ALL_ROWS
    return Metric(name, facts.lower_is_better, facts.kinds, table[name], is_row_mean)


@dataclass(frozen=True)
class _UserFunction:
    """A user's function by import path; it pickles as the path, so that a worker imports it."""

    path: str
    folder: Path | None

    def load(self) -> Callable[[Tensor, Tensor], Any]:
        """Import the function."""
        return _load(self.path, self.folder)

    def __call__(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the `(P,)` results of the function, network by network."""
        function = self.load()
        results = []
        for each in raw:
            try:
                with kept(f"metric {self.path!r}"):
                    # Copies: rows and outputs are looked at again.
                    results.append(_number(function(each.clone(), target.clone())))
            except (Exception, SystemExit) as error:
                raise EvaluationError(
                    f"metric {self.path!r} failed on raw outputs of shape {tuple(each.shape)} and targets "
                    f"of shape {tuple(target.shape)}: {type(error).__name__}: {error}. "
                    f"It must return one number."
                ) from error
        return torch.tensor(results, dtype=torch.float64, device=raw.device)


def _number(value: Any) -> float:
    """Return a metric's result as a number; a text or a truth value is none."""
    if isinstance(value, str | bytes | bool):
        raise TypeError(f"it returned {value!r:.80}")
    return float(value)


@cache
def _load(path: str, folder: Path | None) -> Callable[[Tensor, Tensor], Any]:
    found = import_object(path, folder, key="task.metric")
    if not callable(found):
        raise RecipeError(
            f"metric: {path!r} is a {type(found).__name__}; expected a function of (raw, target) "
            f"that returns a number."
        )
    function: Callable[[Tensor, Tensor], Any] = found
    return function


def _check_shapes(raw: Tensor, target: Tensor) -> None:
    classes = target.ndim == 1 and not target.is_floating_point()
    if raw.ndim != 3 or not ((classes and len(target) == raw.shape[1]) or target.shape == raw.shape[1:]):
        raise EvaluationError(
            f"a metric got raw outputs of shape {tuple(raw.shape)} and {target.dtype} targets of shape "
            f"{tuple(target.shape)}; expected (networks, rows, outputs) with (rows,) class indices or "
            f"(rows, outputs) floats."
        )
