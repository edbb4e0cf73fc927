"""Plugin kind `model`, which makes base networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from automl_loss.plugins.config import PluginConfig

if TYPE_CHECKING:
    from torch import nn


class ModelFactory(ABC):
    """Makes freshly initialised base networks.

    They draw from torch's global generator, which the engine seeds and restores.

    Laws: same seed -> same architecture and parameters, all of which have their shapes; the network maps
    `(batch, *input_shape)` to one `(batch, output_dim)` tensor of finite raw outputs with a gradient, without softmax
    or sigmoid. A run tries it on two training rows before the search.
    """

    plugin_api: ClassVar[int] = 1

    class Config(PluginConfig):
        """Options of the model in a recipe."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """Make a new network."""
