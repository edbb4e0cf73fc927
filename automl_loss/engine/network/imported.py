"""Use a user's own `nn.Module`, by import path, as a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field

from automl_loss.errors import EvaluationError, RecipeError
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.import_object import import_object
from automl_loss.plugins.model import ModelFactory

if TYPE_CHECKING:
    from torch import nn


class ImportedModel(ModelFactory):
    """Your own network: `model: {import: "mypackage.models:Net", width: 64}`.

    `Net(**options)` is called with all options but `import`. Of these four parameters, those that `Net` has
    by name (a bare `**kwargs` does not count) and the recipe does not give are filled from the task, whatever
    their default:

    - `input_shape`: tuple, the shape of one input without the batch;
    - `in_features`: int, the number of elements of one input;
    - `output_dim`, `num_classes`: int, the number of raw outputs: classes, 1 for a binary task (a single
      logit), or targets.

    `Net` may be a class or any callable that returns an `nn.Module`. Each new network is probed with two rows
    of zeros in evaluation mode, which also initialises lazy layers.

    Args:
        config: import path and options.
        folder: the recipe's folder; modules are looked for there, in the working directory and among the
            installed packages.
    """

    class Config(PluginConfig):
        """Import path; all other keys are passed on to the network."""

        model_config = ConfigDict(extra="allow")

        path: str = Field(
            alias="import", description="module:name of the nn.Module, e.g. mypackage.models:Net"
        )

    def __init__(self, config: ImportedModel.Config, folder: Path | None = None) -> None:
        super().__init__(config)
        self._folder = folder

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network that maps `(batch, *input_shape)` to `(batch, output_dim)`.

        Raises:
            RecipeError: there is no such module or name, or it does not take the options.
            EvaluationError: it is not an `nn.Module`, fails, or gives outputs of another shape.
        """
        from torch import nn

        path: str = self.config.path
        found = import_object(path, self._folder, key="model.import")
        if not callable(found) or (isinstance(found, type) and not issubclass(found, nn.Module)):
            kind = "class" if isinstance(found, type) else type(found).__name__
            raise RecipeError(
                f"model: {path!r} is a {kind} that is not derived from torch.nn.Module; derive it."
            )
        options = self._options(found, input_shape, output_dim)
        try:
            module = found(**options)
        except (Exception, SystemExit) as error:
            raise EvaluationError(f"model {path!r} failed with options {options}: {_said(error)}") from error
        if not isinstance(module, nn.Module):
            raise EvaluationError(f"model {path!r} gave a {type(module).__name__}, not a torch.nn.Module.")
        _probe(module, path, input_shape, output_dim)
        return module

    def _options(
        self, found: Callable[..., Any], input_shape: tuple[int, ...], output_dim: int
    ) -> dict[str, Any]:
        """Return the recipe's options and those filled in from the task, checked against the signature."""
        of_task = {
            "input_shape": input_shape,
            "in_features": prod(input_shape),
            "output_dim": output_dim,
            "num_classes": output_dim,
        }
        signature = inspect.signature(found)
        filled = {name: value for name, value in of_task.items() if name in signature.parameters}
        options = {**filled, **(self.config.model_extra or {})}
        try:
            signature.bind(**options)
        except TypeError as error:
            raise RecipeError(
                f"model: {self.config.path!r} takes {signature} and was given "
                f"{', '.join(options) or 'nothing'}: {error}. "
                f"Options go next to `import`; filled in by name: {', '.join(of_task)}."
            ) from error
        return options


def _probe(module: nn.Module, path: str, input_shape: tuple[int, ...], output_dim: int) -> None:
    import torch

    rows = torch.zeros(2, *input_shape)
    module.eval()
    try:
        with torch.no_grad():
            raw = module(rows)
    except (Exception, SystemExit) as error:
        raise EvaluationError(
            f"model {path!r} failed on inputs of shape {tuple(rows.shape)}, two rows of the task: "
            f"{_said(error)}"
        ) from error
    module.train()
    shape = tuple(raw.shape) if isinstance(raw, torch.Tensor) else type(raw).__name__
    if shape != (2, output_dim):
        raise EvaluationError(
            f"model {path!r} maps inputs of shape {tuple(rows.shape)} to {shape}; expected "
            f"{(2, output_dim)}. Return raw outputs, one per class or target (a single logit for two "
            f"classes), without softmax."
        )


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
